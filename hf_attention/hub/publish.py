# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Publishing a folder on the Hub: it is checked first, then uploaded in one commit, so the repository is always complete.

An upload that fails changes neither the folder nor the repository; running it again finishes the job.
"""

import fnmatch
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import validate_repo_id
from transformers.utils import CONFIG_NAME, logging

from .card import CARD
from .card_merge import add_tags, merge_cards, set_repo_id
from .folder import (
    PUBLISHED,
    TRAINING_ARGS,
    check_weights,
    find_pickles,
    list_shared,
    load_json,
    read_model_type,
    read_text,
    write_text,
)
from .folder_checks import check_code, check_loads
from .hub_errors import translate_hub_errors
from .uploads import check_uploads


logger = logging.get_logger(__name__)

WEIGHTS = ("model*.safetensors", "model.safetensors.index.json", "pytorch_model*.bin", "pytorch_model*.index.json")


@dataclass
class Published:
    """
    The result of an upload or, in a dry run, what it would upload.

    Args:
        repo_id (`str`): the repository's name.
        files (`list[str]`): paths in the repository.
        skipped (`list[str]`): what is in the folder but is not uploaded.
        url, oid (`str`, *optional*): of the commit or pull request; `None` in a dry run.
    """

    repo_id: str
    files: list[str]
    skipped: list[str]
    url: str | None = None
    oid: str | None = None

    @classmethod
    def from_commit(cls, repo_id: str, files: list[str], skipped: list[str], commit: CommitInfo | None) -> "Published":
        if commit is None:
            return cls(repo_id, files, skipped)
        return cls(repo_id, files, skipped, commit.pr_url or commit.commit_url, commit.oid)

    @property
    def left_out(self) -> list[str]:
        return self.skipped  # old name, kept until 0.2


@dataclass(frozen=True, kw_only=True)
class CommitOptions:
    """Where a commit goes, and what it is called; the arguments are those of [`publish_model`]."""

    repo_id: str
    repo_type: str = "model"
    private: bool | None = None
    revision: str | None = None
    create_pr: bool = False
    commit_message: str
    tags: Sequence[str] = ()
    version: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class RemoteRevision:
    """A repository on the Hub, as it is at one commit."""

    api: HfApi
    repo_id: str
    repo_type: str
    sha: str | None
    files: list[str]

    @classmethod
    def fetch(
        cls, api: HfApi, repo_id: str, repo_type: str = "model", revision: str | None = None
    ) -> "RemoteRevision":
        fetch = {"model": api.model_info, "dataset": api.dataset_info, "space": api.space_info}[repo_type]
        info = fetch(repo_id, revision=revision)
        return cls(api, repo_id, repo_type, info.sha, [file.rfilename for file in info.siblings or []])

    def read(self, path: str) -> str | None:
        """Returns the text of a file, or `None` if there is no such file."""
        if path not in self.files:
            return None
        with tempfile.TemporaryDirectory() as scratch:
            file = self.api.hf_hub_download(
                self.repo_id, path, revision=self.sha, repo_type=self.repo_type, local_dir=scratch
            )
            return read_text(Path(file))


Operations = list[CommitOperationAdd | CommitOperationDelete]


def publish_model(
    folder: str | Path,
    repo_id: str,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str = "Upload model",
    tags: list[str] | None = None,
    version: str | None = None,
    trust_remote_code: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    api: HfApi | None = None,
) -> Published:
    """
    Uploads a model's folder in one commit: weights, config, code, tokenizer or image processor, card and results.

    Before that, the folder is loaded in a separate process as a user without the plugin loads it, and the outputs are
    compared with those of this process.

    Args:
        folder (`str` or `Path`): written by a training script, or by `save_pretrained` of model and tokenizer.
        repo_id (`str`): `user/name`.
        private (`bool`, *optional*): whether to create the repository as a private one.
        revision (`str`, *optional*): the branch, created if it does not exist; defaults to `main`.
        create_pr (`bool`): whether to open a pull request instead of writing to the branch.
        tags (`list[str]`, *optional*): added to the card on the Hub, where they stay.
        version (`str`, *optional*): a git tag for the commit.
        trust_remote_code (`bool`): whether to run, for the check, code in the folder that differs from the plugin's.
        overwrite (`bool`): whether to replace a model of another type, and a card written by hand.
        dry_run (`bool`): checks the folder and lists what would be uploaded, without a request to the Hub.
        api (`HfApi`, *optional*): the client.

    Raises:
        `ValueError`: for a name, folder, weights, card or code that cannot be published; nothing was uploaded.
        `OSError`: if the Hub refuses or does not answer.
    """
    check_name(repo_id)
    if create_pr and version:
        raise ValueError("`version` tags a commit of a branch; with `create_pr`, tag it once it is merged.")
    check_weights(folder)
    files, skipped = list_shared(folder)
    if pickles := find_pickles(folder):
        logger.warning(f"Only safetensors are uploaded; skipped: {', '.join(file.name for file in pickles)}.")
    api = api or HfApi()
    check_uploads(folder, files, api)
    training_args = encode_options(Path(folder, TRAINING_ARGS))
    check_code(folder, trust_remote_code)
    check_loads(folder, files, trust_remote_code)
    card = read_text(Path(folder, CARD))
    if card is None:
        logger.warning(f"{folder} has no card ({CARD}).")
    else:
        card = set_repo_id(card, repo_id)

    def make_operations(remote: RemoteRevision) -> Operations:
        if not overwrite:
            check_same_type(read_model_type(folder), remote)
        operations: Operations = [
            CommitOperationAdd(path, training_args if path == TRAINING_ARGS else Path(folder, path))
            for path in files
            if path != CARD
        ]
        # weights in other shards, or in another format, would be loaded instead of these
        stale = [path for path in remote.files if path not in files and is_weights(path)]
        return operations + [CommitOperationDelete(path) for path in stale]

    commit = None
    if not dry_run:
        options = CommitOptions(
            repo_id=repo_id,
            private=private,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            tags=tags or (),
            version=version,
            overwrite=overwrite,
        )
        commit = upload(api, folder, card, make_operations, options)
    return Published.from_commit(repo_id, files, skipped, commit)


def publish_folder(
    folder: str | Path,
    repo_id: str,
    repo_type: str,
    private: bool | None = None,
    dry_run: bool = False,
    api: HfApi | None = None,
    commit_message: str = "Upload folder",
    revision: str | None = None,
    create_pr: bool = False,
    overwrite: bool = False,
) -> Published:
    """
    Uploads all files of the folder of a data set (`repo_type` `dataset`) or a Space (`space`) in one commit.

    Arguments and exceptions are those of [`publish_model`].
    """
    check_name(repo_id)
    api = api or HfApi()
    files = list_files(folder)
    check_uploads(folder, files, api)
    commit = None
    if not dry_run:
        options = CommitOptions(
            repo_id=repo_id,
            repo_type=repo_type,
            private=private,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            overwrite=overwrite,
        )

        def make_operations(remote: RemoteRevision) -> Operations:
            return [CommitOperationAdd(path, Path(folder, path)) for path in files if path != CARD]

        commit = upload(api, folder, read_text(Path(folder, CARD)), make_operations, options)
    return Published.from_commit(repo_id, files, [], commit)


def list_files(folder: str | Path) -> list[str]:
    """Returns the paths of all files and links in a folder, except those that the Hub's client and this one write."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file() or path.is_symlink()]
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return [name for name in names if not {".git", ".cache", PUBLISHED} & set(name.split("/"))]


def upload(
    api: HfApi,
    folder: str | Path,
    card: str | None,
    make_operations: Callable[[RemoteRevision], Operations],
    options: CommitOptions,
) -> CommitInfo:
    """
    Creates one commit on top of the revision that `make_operations` is given; edits of the card on the Hub are kept.

    Raises `OSError` if that fails.
    """
    repo_id, repo_type, revision = options.repo_id, options.repo_type, options.revision
    published_card = Path(folder, PUBLISHED, repo_type, *repo_id.split("/"), revision or "main", CARD)
    with translate_hub_errors(repo_id):
        if not options.create_pr:
            create_repository(api, repo_id, repo_type, options.private)
        if options.version:
            tags = api.list_repo_refs(repo_id, repo_type=repo_type).tags
            if options.version in [tag.name for tag in tags]:
                raise ValueError(f"`version`: {repo_id} already has the tag {options.version}. Choose another.")
        if revision is not None and not options.create_pr:
            api.create_branch(repo_id, repo_type=repo_type, branch=revision, exist_ok=True)
        if options.create_pr and not api.repo_exists(repo_id, repo_type=repo_type):
            raise ValueError(f"`create_pr`: {repo_id} is not on the Hub. Publish there once without `create_pr`.")
        remote = RemoteRevision.fetch(api, repo_id, repo_type, revision)
        operations = make_operations(remote)
        if card is not None:
            merged = card if options.overwrite else merge_cards(read_text(published_card), card, remote.read(CARD))
            operations.append(CommitOperationAdd(CARD, add_tags(merged, options.tags).encode()))
        commit = api.create_commit(
            repo_id,
            operations,
            commit_message=options.commit_message,
            repo_type=repo_type,
            parent_commit=remote.sha,
            revision=revision,
            create_pr=options.create_pr,
        )
    if options.create_pr and commit.pr_url is None:
        logger.warning(f"{repo_id} already holds all of this: there was nothing to open a pull request for.")
    if card is not None and not options.create_pr:
        try:
            write_text(published_card, card)
        except OSError as error:  # the upload itself succeeded
            logger.warning(
                f"{published_card} could not be written ({error}); the next upload cannot tell which of two edited "
                "cards is newer."
            )
    if options.version:
        try:
            api.create_tag(repo_id, repo_type=repo_type, tag=options.version, revision=commit.oid)
        except (HTTPError, OSError) as error:
            command = f"hf repos tag create {repo_id} {options.version} --revision {commit.oid}"
            raise OSError(
                f"The commit was created ({commit.commit_url}), but not its tag. Run `{command}`."
            ) from error
    return commit


def create_repository(api: HfApi, repo_id: str, repo_type: str = "model", private: bool | None = None) -> str:
    """Returns the full name. Raises `ValueError` if a private repository is requested and a public one exists."""
    sdk = "gradio" if repo_type == "space" else None
    repo_id = api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, space_sdk=sdk).repo_id
    if private and not api.repo_info(repo_id, repo_type=repo_type).private:
        raise ValueError(f"{repo_id} is public already. Make it private in its settings, or name another repository.")
    return repo_id


def check_name(repo_id: str) -> None:
    validate_repo_id(repo_id)
    if "/" not in repo_id:
        raise ValueError(f"`repo_id` must be `user/name`, got {repo_id!r}.")


def check_models(names: list[str], api: HfApi | None = None) -> None:
    """Raises `ValueError` for a model that is not on the Hub, or that this token may not read."""
    api = api or HfApi()
    for name in names:
        with translate_hub_errors(name):
            if not api.repo_exists(name):
                raise ValueError(
                    f"`models`: {name} is not on the Hub, or is private and belongs to another user. Publish it first."
                )


def check_can_publish(
    name: str, model_type: str, private: bool | None = None, revision: str | None = None, api: HfApi | None = None
) -> None:
    """
    Creates the repository if it does not exist, so that a long run fails at its start if it cannot be published.

    `name` is `user/name`, or `name` alone for the token's user. Raises as [`publish_model`] does.
    """
    validate_repo_id(name)
    api = api or HfApi()
    with translate_hub_errors(name):
        repo_id = create_repository(api, name, private=private)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        check_same_type(model_type, RemoteRevision.fetch(api, repo_id, revision=revision))


def check_same_type(model_type: str | None, remote: RemoteRevision) -> None:
    """Raises `ValueError` if a repository holds a model of another type."""
    config = remote.read(CONFIG_NAME)
    try:
        remote_type = model_type if config is None else json.loads(config).get("model_type")
    except json.JSONDecodeError:
        remote_type = "unknown (its config.json is not valid JSON)"
    if remote_type != model_type:
        raise ValueError(
            f"{remote.repo_id} is taken: it holds a model of type {remote_type}, not {model_type}. Name another "
            "repository, or replace it with `scripts/publish.py --overwrite`."
        )


def is_weights(path: str) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in WEIGHTS)


def encode_options(file: Path) -> bytes:
    """Returns a run's options with absolute paths, which may name a user, reduced to their last part."""

    def shorten(value: object) -> object:
        if isinstance(value, list):
            return [shorten(item) for item in value]
        if isinstance(value, str) and os.path.isabs(value):
            return os.path.basename(os.path.normpath(value))
        return value

    options = {name: shorten(value) for name, value in load_json(file).items()}
    return json.dumps(options, indent=2, ensure_ascii=False).encode()


__all__ = ["Published", "publish_folder", "publish_model"]
