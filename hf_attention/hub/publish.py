# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Publishing a folder on the Hub: checked first, then uploaded in one commit, so that what is there is always whole.

An upload that fails changes neither the folder nor the repository; running it again finishes the job.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError, LocalTokenNotFoundError
from huggingface_hub.utils import validate_repo_id
from safetensors.torch import load
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import CONFIG_NAME, logging

from .. import models
from . import probe
from .card import CARD
from .folder import (
    PUBLISHED,
    TRAINING_ARGS,
    check_secrets,
    check_weights,
    find_pickles,
    list_shared,
    read_text,
    write_text,
)
from .renewal import add_tags, address_card, combine_cards


logger = logging.get_logger(__name__)

NAMING_CODE = (CONFIG_NAME, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
# where the client finds a token
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HF_STORED_TOKENS_PATH")
OURS = Path(models.__file__).parent  # the code of the families


@dataclass
class Published:
    """
    What was, or in a dry run would be, uploaded: paths in the repository, what of the folder stays at home, and where
    the commit is (`None` in a dry run).
    """

    repo_id: str
    files: list[str]
    left_out: list[str]
    url: str | None = None
    oid: str | None = None

    @classmethod
    def of(cls, repo_id: str, files: list[str], left_out: list[str], commit: CommitInfo | None):
        if commit is None:
            return cls(repo_id, files, left_out)
        return cls(repo_id, files, left_out, commit.pr_url or commit.commit_url, commit.oid)


def publish_model(
    folder: str,
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

    Before that it loads the folder in a process of its own, as a reader without the plugin does, and compares what it
    gives with what it gives here.

    Args:
        folder (`str`): what a training script, or `save_pretrained` of model and tokenizer, left.
        repo_id (`str`): `user/name`.
        private (`bool`, *optional*): whether a repository made here is private.
        revision (`str`, *optional*): a branch, made where it is not there; `main`.
        create_pr (`bool`): whether to open a pull request in place of writing to the branch.
        tags (`list[str]`, *optional*): added to the card there, where they stay.
        version (`str`, *optional*): a git tag for the commit.
        trust_remote_code (`bool`): whether to run, for the check, code in the folder that is not the plugin's own.
        overwrite (`bool`): whether to replace another kind of model, and a card that a person wrote there.
        dry_run (`bool`): checks the folder and tells what would be uploaded; asks the Hub nothing.

    Raises:
        `ValueError`: for a name, a folder, weights, a card or code that cannot be published; nothing was uploaded.
        `OSError`: where the Hub refuses or does not answer.
    """
    check_name(repo_id)
    if create_pr and version:
        raise ValueError("`version` tags a commit of a branch; with `create_pr` tag it once it is merged.")
    check_weights(folder)
    files, left_out = list_shared(folder)
    if pickles := find_pickles(folder):
        logger.warning(f"Only safetensors are uploaded; left out: {', '.join(file.name for file in pickles)}.")
    api = api or HfApi()
    check_secrets(folder, files, api)
    training_args = encode_options(Path(folder, TRAINING_ARGS))
    check_code(folder, trust_remote_code)
    check_loads(folder, files, trust_remote_code)
    card = read_text(Path(folder, CARD))
    if card is None:
        logger.warning(f"{folder} has no card ({CARD}).")
    else:
        card = address_card(card, repo_id)

    def make_operations(info: ModelInfo) -> list[CommitOperationAdd | CommitOperationDelete]:
        if not overwrite:
            check_same_kind(read_model_type(folder), repo_id, read_remote(api, info, CONFIG_NAME))
        contents = {path: Path(folder, path) for path in files if path != CARD}
        if TRAINING_ARGS in contents:
            contents[TRAINING_ARGS] = training_args
        operations = [CommitOperationAdd(path, content) for path, content in contents.items()]
        # weights in another number of files, or of another form, would be loaded in place of these
        there = [file.rfilename for file in info.siblings]
        stale = [path for path in there if path not in files and is_weights(path)]
        return operations + [CommitOperationDelete(path) for path in stale]

    commit = None
    if not dry_run:
        options = {"commit_message": commit_message, "revision": revision, "create_pr": create_pr, "tags": tags}
        commit = upload(api, folder, repo_id, "model", make_operations, card, private, version, overwrite, **options)
    return Published.of(repo_id, files, left_out, commit)


def publish_folder(
    folder: str,
    repo_id: str,
    repo_type: str,
    private: bool | None = None,
    dry_run: bool = False,
    api: HfApi | None = None,
    **options,
) -> Published:
    """
    Uploads the folder of a data set (`repo_type` `dataset`) or a Space (`space`) in one commit.

    `options` are `commit_message`, `revision` and `create_pr`. Raises as [`publish_model`] does.
    """
    check_name(repo_id)
    api = api or HfApi()
    files = [path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()]
    files = sorted(path for path in files if not path.startswith(f"{PUBLISHED}/"))
    check_secrets(folder, files, api)
    commit = None
    if not dry_run:
        operations = [CommitOperationAdd(path, Path(folder, path)) for path in files if path != CARD]
        card = read_text(Path(folder, CARD))
        commit = upload(api, folder, repo_id, repo_type, lambda info: operations, card, private, **options)
    return Published.of(repo_id, files, [], commit)


def upload(
    api: HfApi,
    folder: str,
    repo_id: str,
    repo_type: str,
    make_operations,
    card: str | None,
    private: bool | None = None,
    version: str | None = None,
    overwrite: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    tags: list[str] | None = None,
    **options,
) -> CommitInfo:
    """
    One commit onto the revision as it was when `make_operations` saw it, with a card that keeps what a person wrote
    there. Raises `OSError` where that fails.
    """
    where = {"repo_id": repo_id, "repo_type": repo_type}
    known = Path(folder, PUBLISHED, repo_type, *repo_id.split("/"), revision or "main", CARD)
    with explained(repo_id):
        if not create_pr:
            create_repository(api, repo_id, repo_type, private)
        if version and version in [tag.name for tag in api.list_repo_refs(**where).tags]:
            raise ValueError(f"`version`: {repo_id} has a tag {version}. Name another.")
        if revision is not None and not create_pr:
            api.create_branch(**where, branch=revision, exist_ok=True)
        if create_pr and not api.repo_exists(**where):
            raise ValueError(f"`create_pr`: {repo_id} is not on the Hub. Publish there once without `create_pr`.")
        info = api.repo_info(**where, revision=revision)
        operations = make_operations(info)
        if card is not None:
            combined = card
            if not overwrite:
                combined = combine_cards(read_text(known), card, read_remote(api, info, CARD, repo_type))
            operations.append(CommitOperationAdd(CARD, add_tags(combined, tags or []).encode()))
        commit = api.create_commit(
            **where,
            operations=operations,
            parent_commit=info.sha,
            revision=revision,
            create_pr=create_pr,
            **options,
        )
    if create_pr and commit.pr_url is None:
        logger.warning(f"{repo_id} holds all of this already: there was nothing to open a pull request for.")
    if card is not None and not create_pr:
        try:
            write_text(known, card)
        except OSError as error:  # the upload is done; a later one knows less
            logger.warning(f"{known} could not be written ({error}), which tells the next upload what changed here.")
    if version:
        try:
            api.create_tag(**where, tag=version, revision=commit.oid)
        except (HTTPError, OSError) as error:
            command = f"hf repos tag create {repo_id} {version} --revision {commit.oid}"
            raise OSError(f"The commit is up ({commit.commit_url}), but without its tag: `{command}`.") from error
    return commit


def create_repository(api: HfApi, repo_id: str, repo_type: str = "model", private: bool | None = None) -> str:
    """Its whole name. Raises `ValueError` for a public one that was to be private."""
    sdk = {"space_sdk": "gradio"} if repo_type == "space" else {}
    repo_id = api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, **sdk).repo_id
    if private and not api.repo_info(repo_id, repo_type=repo_type).private:
        raise ValueError(f"{repo_id} is public already. Make it private in its settings, or name another repository.")
    return repo_id


def check_name(repo_id: str):
    validate_repo_id(repo_id)
    if "/" not in repo_id:
        raise ValueError(f"`repo_id` is `user/name`, but {repo_id!r} names no user.")


def check_models(names: list[str], api: HfApi | None = None):
    """Raises `ValueError` for a model that is not on the Hub, or not for this token to read."""
    api = api or HfApi()
    for name in names:
        with explained(name):
            if not api.repo_exists(name):
                raise ValueError(
                    f"`models`: {name} is not on the Hub, or is private to somebody else. Publish it first."
                )


def check_code(folder: str, trust_remote_code: bool):
    """Raises `ValueError` for code in a folder, or named by it, that is not the plugin's, unless it is trusted."""
    known = {file.name: file for file in [*OURS.glob("*/*.py"), *OURS.parent.glob("interpret/*.py")]}
    foreign = {
        file.name
        for file in Path(folder).glob("*.py")
        if file.name not in known or known[file.name].read_bytes() != file.read_bytes()
    }
    for name in NAMING_CODE:  # `other/repository--module.Class` is the code of another repository, or folder
        text = json.dumps(load_json(Path(folder, name)).get("auto_map", {}))
        foreign |= set(re.findall(r'"([^"]*--[^"]*)"', text))
    if foreign and not trust_remote_code:
        raise ValueError(
            f"{folder} holds code that is not the installed plugin's: {', '.join(sorted(foreign))}. Read it, then set "
            "`trust_remote_code`, or save the model again to replace it."
        )


def check_loads(folder: str, files: list[str], trust_remote_code: bool):
    """
    Raises `ValueError` where a clean process without the plugin cannot load what is to be shared of a folder, or gets
    something else than the plugin, or transformers, does here.
    """
    whole = "A folder to share holds model, code, and tokenizer or image processor."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # Windows keeps what is still mapped
        for path in files:
            Path(scratch, "model", path).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(Path(folder, path), Path(scratch, "model", path))
        shared, output = os.path.join(scratch, "model"), os.path.join(scratch, "outputs.safetensors")
        command = [sys.executable, probe.__file__, shared, output]
        command += ["--trust_remote_code"] if any(path.endswith(".py") for path in files) or trust_remote_code else []
        environment = {name: value for name, value in os.environ.items() if name not in TOKENS}
        environment |= {"HF_HOME": scratch, "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
        run = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, cwd=scratch)
        if run.returncode:
            # the exception, which may go over several lines, without the way to it
            reason = re.split(r"\n(?=\w[\w.]*(?:Error|Exception)\b)", run.stderr.strip())[-1]
            raise ValueError(f"{folder} does not load in a process without the plugin: {reason}\n({whole})")
        there = load(Path(output).read_bytes())
        if read_model_type(folder) not in CONFIG_MAPPING:
            return  # there is no other code to compare with
        try:
            here = probe.probe(shared)
        except Exception as error:  # whatever its parts raise
            raise ValueError(f"{folder} does not load: {error} ({whole})") from error
    for name, value in here.items():
        if value.shape != there[name].shape or not torch.allclose(value.float(), there[name].float(), atol=1e-4):
            raise ValueError(f"{folder} gives other {name} in a process without the plugin. Save the model again.")


def link_or_copy(file: Path, target: Path):
    try:
        os.symlink(os.path.abspath(file), target)
    except OSError:  # Windows grants links to few
        shutil.copy(file, target)


def read_model_type(folder: str) -> str | None:
    return load_json(Path(folder, CONFIG_NAME)).get("model_type")


def load_json(path: Path) -> dict:
    """Nothing where there is no file; `ValueError` where it holds no `{...}`."""
    try:
        found = json.loads(read_text(path) or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON ({error}). Save the model again.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object. Save the model again.")
    return found


def encode_options(file: Path) -> bytes:
    """A run's options for elsewhere: an absolute path, which would tell of this machine, by its last part alone."""

    def shorten(value):
        if isinstance(value, list):
            return [shorten(item) for item in value]
        is_path = isinstance(value, str) and os.path.isabs(value)
        return os.path.basename(os.path.normpath(value)) if is_path else value

    options = {name: shorten(value) for name, value in load_json(file).items()}
    return json.dumps(options, indent=2, ensure_ascii=False).encode()


def check_can_publish(
    name: str, model_type: str, private: bool | None = None, revision: str | None = None, api: HfApi | None = None
):
    """
    Makes the repository where it is not there, so that a long run finds out at its start whether it can be published.

    Args:
        name (`str`): `user/name`, or `name` alone for the token's user.

    Raises as [`publish_model`] does.
    """
    validate_repo_id(name)
    api = api or HfApi()
    with explained(name):
        repo_id = create_repository(api, name, private=private)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        info = api.model_info(repo_id, revision=revision)
        check_same_kind(model_type, repo_id, read_remote(api, info, CONFIG_NAME))


def check_same_kind(model_type: str | None, repo_id: str, remote_config: str | None):
    """Raises `ValueError` where a repository holds another kind of model."""
    try:
        found = model_type if remote_config is None else json.loads(remote_config).get("model_type")
    except json.JSONDecodeError:
        found = "that config.json does not tell"
    if found != model_type:
        raise ValueError(
            f"{repo_id} is taken: it holds a model of type {found}, not {model_type}. Name another repository, or "
            "replace it with `scripts/publish.py --overwrite`."
        )


def is_weights(path: str) -> bool:
    patterns = (
        "model*.safetensors",
        "model.safetensors.index.json",
        "pytorch_model*.bin",
        "pytorch_model*.index.json",
    )
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def read_remote(api: HfApi, info: ModelInfo, path: str, repo_type: str = "model") -> str | None:
    if path not in [file.rfilename for file in info.siblings]:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        file = api.hf_hub_download(info.id, path, revision=info.sha, repo_type=repo_type, local_dir=scratch)
        return read_text(Path(file))


@contextmanager
def explained(repo_id: str):
    """Turns what the client raises into `OSError` that says what happened and what to do; nothing is half uploaded."""
    try:
        yield
    except (HTTPError, LocalTokenNotFoundError, LocalEntryNotFoundError, ConnectionError, RuntimeError) as error:
        found, cause = error, error
        while cause is not None:  # a failed transfer hides the answer behind it
            found, cause = cause, cause.__cause__ or cause.__context__
            if isinstance(found, HTTPError):
                break
        if isinstance(error, RuntimeError) and not isinstance(found, HTTPError):
            raise
        raise OSError(explain(found, repo_id)) from error


def explain(error: Exception, repo_id: str) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    again = "Nothing is half uploaded: run the command again to finish."
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return f"The Hub wants a valid token to write to {repo_id}. Log in (`hf auth login`), or set `HF_TOKEN`."
    if status == 403:
        return (
            f"The Hub's token may not write to {repo_id}: it is read-only, or the name is another user's. Use a token "
            "with the right to write, or name a repository of your own."
        )
    if status == 404:
        return f"{repo_id}, or the revision named, is not on the Hub, or is private to somebody else."
    if status == 412:
        return f"{repo_id} was changed by another push meanwhile, or by this one, had its answer been lost. {again}"
    if status == 429:
        return f"The Hub asks to slow down (429). Wait some minutes. {again}"
    if status is not None and status < 500:
        return f"The Hub refused ({status}): {error.server_message or error}. The repository is as it was."
    reason = f"error {status}" if status else f"{type(error).__name__}: {error}"
    return f"The Hub did not confirm the upload to {repo_id} ({reason}). {again}"


__all__ = ["Published", "publish_folder", "publish_model"]
