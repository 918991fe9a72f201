# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The images of folders, with their classes where the names of folders are those of a model's classes."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from transformers.utils import logging

from ..data.image_folders import HEIF_REMEDY, check_name, image_extensions, is_hidden, shorten, why_left_out


logger = logging.get_logger(__name__)


@dataclass
class ImageFile:
    """An image: its `path`, and its `true` class, if it is known."""

    path: str
    true: str | None = None


def find_image_files(paths: list[str], labels: Iterable[str] = ()) -> list[ImageFile]:
    """
    Returns the images of folders and of all folders in them, in the order of their names, and the files named.

    The class of an image is the name of the innermost folder, from the one that is named downwards, that is one of the
    `labels`; of a file that is named, the name of its folder. Warns of files that are not read, and of images without
    a class where others have one.

    Raises:
        `FileNotFoundError`: for a path that does not exist.
        `ValueError`: if there are no images, or the name of one is not in UTF-8, so no table can have it.
    """
    names = set(labels)
    files, left_out = [], {}
    for path in paths:
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no file or folder {path!r}.")
        if os.path.isfile(path):  # named by the user, so its extension does not matter
            files.append(ImageFile(path, find_class(os.path.abspath(path).split(os.sep)[-2:-1], names)))
            continue
        outer = os.path.basename(os.path.abspath(path))
        for file in walk(path):
            if (reason := why_left_out(file, image_extensions())) is None:
                inner = os.path.dirname(os.path.relpath(file, path)).split(os.sep)
                files.append(ImageFile(file, find_class([outer, *inner], names)))
            else:
                left_out.setdefault(reason, []).append(file)
    if left_out:
        counted = "; ".join(f"{len(group)} {reason} ({shorten(group)})" for reason, group in sorted(left_out.items()))
        remedy = f" {HEIF_REMEDY}" if {".heic", ".heif"} & set(left_out) else ""
        logger.warning(f"{sum(map(len, left_out.values()))} files are not read: {counted}.{remedy}")
    for file in files:
        check_name(file.path)
    if not files:
        raise ValueError(f"There are no images in {', '.join(paths)}.")
    without = [file.path for file in files if file.true is None]
    if 0 < len(without) < len(files):
        folders = Counter(os.path.dirname(path) for path in without)
        logger.warning(
            f"{len(without)} of {len(files)} images have no true class, since no folder of theirs has the name of one "
            f"of the model's: {shorten(folders)}."
        )
    return files


def walk(path: str) -> Iterator[str]:
    """Yields the files of a folder and of the folders in it, links too, in the order of their names."""
    seen = set()
    for root, folders, names in os.walk(path, followlinks=True):
        real = os.path.realpath(root)
        folders[:] = [] if real in seen else sorted(name for name in folders if not is_hidden(name))
        if real not in seen:
            yield from (os.path.join(root, name) for name in sorted(names))
        seen.add(real)


def find_class(folders: list[str], names: set[str]) -> str | None:
    composed = (unicodedata.normalize("NFC", folder) for folder in reversed(folders))
    return next((folder for folder in composed if folder in names), None)


__all__ = ["ImageFile", "find_image_files"]
