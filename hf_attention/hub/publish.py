# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""
Publishing a folder on the Hub: checked first, then uploaded in one commit, so that what is there is always whole.

An upload that fails changes neither the folder nor the repository; running it again finishes the job.
"""

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError
from huggingface_hub.utils import validate_repo_id
from safetensors.torch import load_file
from transformers.utils import CONFIG_NAME, logging

from .. import models
from . import probe
from .card import CARD
from .folder import check_secrets, check_weights, find_pickles, list_shared
from .renewal import add_tags, address_card, is_generated, renew_card


logger = logging.get_logger(__name__)

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
        tags (`list[str]`, *optional*): added to the card's.
        version (`str`, *optional*): a git tag for the commit.
        trust_remote_code (`bool`): whether to run, for the check, code in the folder that is not the plugin's own.
        overwrite (`bool`): whether the repository may hold another kind of model now.
        dry_run (`bool`): checks the folder and tells what would be uploaded; asks the Hub nothing.

    Raises:
        `ValueError`: for a name, a folder, weights, a card or code that cannot be published; nothing was uploaded.
        `OSError`: where the Hub refuses or does not answer.
    """
    check_name(repo_id)
    if create_pr and version:
        raise ValueError("`version` tags a commit of a branch; with `create_pr` tag it once it is merged.")
    check_weights(folder)
    files = list_shared(folder)
    if pickles := find_pickles(folder):
        logger.warning(f"Only safetensors are uploaded; left out: {', '.join(file.name for file in pickles)}.")
    api = api or HfApi()
    check_secrets(folder, files, api)
    check_code(folder, trust_remote_code)
    check_loads(folder, trust_remote_code)
    card = read_text(Path(folder, CARD))
    if card is None:
        logger.warning(f"{folder} has no card ({CARD}).")
    else:
        card = add_tags(address_card(card, repo_id), tags or [])
    shared = {path.split("/")[0] for path in files}
    left_out = sorted(path.name for path in Path(folder).iterdir() if path.name not in shared)

    def make_operations(info: ModelInfo) -> list[CommitOperationAdd | CommitOperationDelete]:
        there = [file.rfilename for file in info.siblings]
        if not overwrite:
            config = json.loads(Path(folder, CONFIG_NAME).read_text("utf-8"))
            check_same_kind(config.get("model_type"), repo_id, read_remote(api, info, CONFIG_NAME))
        operations = [CommitOperationAdd(path, Path(folder, path)) for path in files if path != CARD]
        if card is not None:
            text = renew_card(read_remote(api, info, CARD), card) if is_generated(card) else card
            operations.append(CommitOperationAdd(CARD, text.encode()))
        # weights in another number of files, or of another form, would be loaded in place of these
        stale = [path for path in there if path not in files and is_weights(path)]
        return operations + [CommitOperationDelete(path) for path in stale]

    commit = None
    if not dry_run:
        options = {"commit_message": commit_message, "revision": revision, "create_pr": create_pr}
        commit = upload(api, repo_id, "model", make_operations, private, version, **options)
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
    files = sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
    check_secrets(folder, files, api)
    commit = None
    if not dry_run:
        operations = [CommitOperationAdd(path, Path(folder, path)) for path in files]
        commit = upload(api, repo_id, repo_type, lambda info: operations, private, **options)
    return Published.of(repo_id, files, [], commit)


def upload(
    api: HfApi,
    repo_id: str,
    repo_type: str,
    make_operations,
    private: bool | None = None,
    version: str | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    **options,
) -> CommitInfo:
    """One commit onto the revision as it was when `make_operations` saw it. Raises `OSError` where that fails."""
    where = {"repo_id": repo_id, "repo_type": repo_type}
    with explained(repo_id):
        if not create_pr:
            sdk = {"space_sdk": "gradio"} if repo_type == "space" else {}
            api.create_repo(**where, private=private, exist_ok=True, **sdk)
        if version and version in [tag.name for tag in api.list_repo_refs(**where).tags]:
            raise ValueError(f"`version`: {repo_id} has a tag {version}. Name another.")
        if revision is not None and not create_pr:
            api.create_branch(**where, branch=revision, exist_ok=True)
        info = api.repo_info(**where, revision=revision)
        commit = api.create_commit(
            **where,
            operations=make_operations(info),
            parent_commit=info.sha,
            revision=revision,
            create_pr=create_pr,
            **options,
        )
        if version:
            api.create_tag(**where, tag=version, revision=commit.oid)
    return commit


def check_name(repo_id: str):
    validate_repo_id(repo_id)
    if "/" not in repo_id:
        raise ValueError(f"`repo_id` is `user/name`, but {repo_id!r} names no user.")


def check_code(folder: str, trust_remote_code: bool):
    """Raises `ValueError` for code in a folder that is not the plugin's, unless it is trusted."""
    known = {file.name: file for file in [*OURS.glob("*/*.py"), *OURS.parent.glob("interpret/*.py")]}
    foreign = [
        file.name
        for file in sorted(Path(folder).glob("*.py"))
        if file.name not in known or known[file.name].read_bytes() != file.read_bytes()
    ]
    if foreign and not trust_remote_code:
        raise ValueError(
            f"{folder} holds code that is not the installed plugin's: {', '.join(foreign)}. Read it, then set "
            "`trust_remote_code`, or save the model again to replace it."
        )


def check_loads(folder: str, trust_remote_code: bool):
    """Raises `ValueError` where a clean process without the plugin cannot load the folder, or gets something else."""
    has_code = any(Path(folder).glob("*.py"))
    here = probe.probe(folder, **({"trust_remote_code": True} if trust_remote_code else {}))
    with tempfile.TemporaryDirectory() as scratch:
        output = os.path.join(scratch, "outputs.safetensors")
        command = [sys.executable, probe.__file__, os.path.abspath(folder), output]
        command += ["--trust_remote_code"] if has_code else []
        environment = {**os.environ, "HF_HOME": scratch, "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"}
        environment.pop("HF_TOKEN", None)
        run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=scratch)
        if run.returncode:
            reason = run.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise ValueError(
                f"{folder} does not load in a process without the plugin: {reason[0]} (A folder to share holds model, "
                "code, and tokenizer or image processor.)"
            )
        there = load_file(output)
    for name, value in here.items():
        if value.shape != there[name].shape or not torch.allclose(value.float(), there[name].float(), atol=1e-4):
            raise ValueError(f"{folder} gives other {name} in a process without the plugin. Save the model again.")


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
        repo_id = api.create_repo(name, private=private, exist_ok=True).repo_id
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        info = api.model_info(repo_id, revision=revision)
        check_same_kind(model_type, repo_id, read_remote(api, info, CONFIG_NAME))


def check_same_kind(model_type: str | None, repo_id: str, remote_config: str | None):
    """Raises `ValueError` where a repository holds another kind of model."""
    found = None if remote_config is None else json.loads(remote_config).get("model_type")
    if remote_config is not None and found != model_type:
        raise ValueError(
            f"{repo_id} is taken: it holds a model of type {found}, not {model_type}. Name another repository, or "
            "replace it with `scripts/publish.py --overwrite`."
        )


def is_weights(path: str) -> bool:
    name = path.split("/")[-1]
    return "/" not in path and any(
        fnmatch.fnmatch(name, pattern) for pattern in ("*.safetensors", "*.index.json", "pytorch_model*.bin")
    )


def read_text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def read_remote(api: HfApi, info: ModelInfo, path: str) -> str | None:
    if path not in [file.rfilename for file in info.siblings]:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        return read_text(Path(api.hf_hub_download(info.id, path, revision=info.sha, local_dir=scratch)))


@contextmanager
def explained(repo_id: str):
    """Turns what the client raises into `OSError` that says what happened and what to do; nothing is half uploaded."""
    try:
        yield
    except (HTTPError, LocalTokenNotFoundError, ConnectionError, RuntimeError) as error:
        found, cause = error, error
        while cause is not None:  # a failed upload hides the answer behind it
            found, cause = cause, cause.__cause__ or cause.__context__
            if isinstance(found, HTTPError):
                break
        if isinstance(error, RuntimeError) and not isinstance(found, HTTPError):
            raise
        raise OSError(explain(found, repo_id)) from error


def explain(error: Exception, repo_id: str) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    again = "The repository is as it was; run the command again to finish."
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
        return f"{repo_id} was changed by another push meanwhile. {again}"
    if status == 429:
        return f"The Hub asks to slow down (429). Wait some minutes. {again}"
    if status is not None and status < 500:
        return f"The Hub refused: {error.server_message or status}. {again}"
    reason = f"error {status}" if status else f"{type(error).__name__}: {error}"
    return f"The Hub did not take the upload to {repo_id} ({reason}). {again}"
