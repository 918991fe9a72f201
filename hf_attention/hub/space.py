# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A Space that shows models: Gradio's folder, with the part of the package that it needs."""

import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import RepoCard, SpaceCardData
from huggingface_hub.utils import validate_repo_id

from .. import models
from .card import CARD
from .card_merge import stamp_card, update_card
from .folder import check_only_contains, read_text, write_text


TITLE = "What a model attends to"
PARTS = ("models", "interpret")  # the package is not on PyPI, so what the app imports travels with it
REQUIREMENTS = ("matplotlib", "numpy", "pillow", "torch", "transformers")  # gradio comes of the version in README.md
APP = '''"""{title}: translation with its alignment, image classification with its attention maps."""

from hf_attention.interpret.app import launch_app


launch_app({models!r})
'''
BODY = """
# {title}

Shows {names}: a translation with the source tokens each target token attended to, and an image's class with attention
maps by layer and head and their rollout. Made by `scripts/publish.py --space` of hf_attention.
"""


def write_space(folder: str, model_names: list[str]):
    """
    Writes `README.md`, `app.py`, `requirements.txt` and the modules the app imports into `folder`.

    Args:
        model_names (`list[str]`): sequence-to-sequence models and image classifiers on the Hub, `user/name`.

    Raises:
        `ValueError`: for a model that is not named as on the Hub, and for a folder that holds other things.
    """
    for name in model_names:
        validate_repo_id(name)
        if "/" not in name or os.path.exists(name):
            raise ValueError(
                f"A Space shows models of the Hub, `user/name`, but {name!r} is a folder or names no user."
            )
    package, target = Path(models.__file__).parents[1], Path(folder, "hf_attention")
    check_only_contains(folder, {"hf_attention", "app.py", "requirements.txt", CARD})
    if target.resolve() == package.resolve():
        raise ValueError(f"{folder} holds this very package. Name a new folder.")
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for file in package.glob("*.py"):
        shutil.copy(file, target)
    for part in PARTS:
        shutil.copytree(package / part, target / part, ignore=shutil.ignore_patterns("__pycache__", "*.md"))
    card_data = SpaceCardData(
        title=TITLE,
        emoji="🔎",
        colorFrom="blue",
        colorTo="gray",
        sdk="gradio",
        sdk_version=version("gradio"),
        python_version=".".join(platform.python_version_tuple()[:2]),
        app_file="app.py",
        license="apache-2.0",
        models=model_names,
    )
    body = BODY.format(title=TITLE, names=" and ".join(f"`{name}`" for name in model_names))
    card = stamp_card(RepoCard(f"---\n{card_data.to_yaml()}\n---\n{body}"))
    write_text(Path(folder, CARD), update_card(read_text(Path(folder, CARD)), card))
    Path(folder, "app.py").write_text(APP.format(title=TITLE, models=model_names), encoding="utf-8")
    pinned = [f"{name}=={version(name).split('+')[0]}" for name in REQUIREMENTS]
    Path(folder, "requirements.txt").write_text("\n".join(pinned) + "\n", encoding="utf-8")


__all__ = ["write_space"]
