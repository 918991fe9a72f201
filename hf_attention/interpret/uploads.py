# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Images that users of the app upload, the pictures that it shows them, and the errors that they see."""

import base64
import io
import os
import struct
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder
from PIL import Image, ImageOps
from transformers.utils import logging

from ..data.image_utils import convert_mode
from .image_attention import apply_exif_orientation


logger = logging.get_logger(__name__)

MAX_BYTES, MAX_PIXELS, MAX_RATIO = 20 << 20, 64_000_000, 100  # of an image, and of its sides
MAX_CHARACTERS = 1000  # of a text: an alignment grows with their square
HOUR = 3600  # seconds after which uploads and what was computed from them are removed
SIDE = 1024  # pixels of the longer side of an image, as it is shown and given to the model


def read_upload(payload: ImageData | None) -> Image.Image | None:
    """
    Reads an uploaded image, reduced to the size at which it is shown; the user is told why one is refused.

    It replaces `gradio.Image.preprocess`, whose errors are not shown. (Gradio writes a file next to the module of a
    subclass.)
    """
    with errors_for_users():
        if payload is None:
            return None
        if payload.url and payload.url.startswith("data:"):
            file = io.BytesIO(base64.b64decode(payload.url.partition(",")[2]))
            return read_image(file, len(file.getvalue()))
        # gradio looks only at paths whose `meta` says that they are files
        path = Path(str(payload.path)).resolve()
        if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
            raise ValueError("The image is not an upload, or was removed. Upload it again.")
        return read_image(str(path), path.stat().st_size)


def read_image(file: str | io.BytesIO, size: int) -> Image.Image:
    """
    Reads an image of `size` bytes, at most `SIDE` pixels wide and high.

    Raises `ValueError` for a file that is too large, or not an image that can be read.
    """
    if size > MAX_BYTES:
        raise ValueError(f"The file has {size / 1e6:.0f} MB; the maximum is {MAX_BYTES / 1e6:.0f} MB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file)
        check_size(*image.size)
        with image:
            image.draft(None, (SIDE, SIDE))  # a JPEG file is decoded at a fraction of its size
            upright = ImageOps.exif_transpose(image)
        image = convert_mode(upright, "RGBA" if upright.mode in ("P", "PA", "LA", "RGBA") else upright.mode)
        if max(image.size) > SIDE:
            image = convert_mode(image, "L") if image.mode.startswith("I;16") else image
            image.thumbnail((SIDE, SIDE))
        return image
    except Image.DecompressionBombError as error:
        raise ValueError("The image has too many pixels. Upload a smaller one.") from error
    except (OSError, SyntaxError, struct.error) as error:
        raise ValueError("The file is not an image that can be read. Upload a PNG, JPEG or WebP file.") from error


def add_upload(label: str, description: str, examples: list[Image.Image] | None = None) -> gr.Image:
    """Adds an image to upload, and examples of images."""
    image = gr.Image(type="pil", image_mode=None, label=label, height=280, alt_text=description)
    vars(image)["preprocess"] = read_upload
    if examples:
        gr.Examples([[example] for example in examples], [image])
    return image


def receive_image(image: Image.Image | None, mode: str) -> Image.Image:
    """
    Returns an uploaded image upright and in the mode that a model reads.

    Raises `gr.Error` if there is none, or if it is too large.
    """
    if image is None:
        raise gr.Error("Upload an image or choose an example.")
    check_size(*image.size)
    return convert_mode(apply_exif_orientation([image])[0], mode)


def save_picture(picture: Image.Image) -> str:
    """
    Returns a new file of gradio's with a picture. gradio itself would write equal pictures to the same file, even
    while another user downloads it.
    """
    os.makedirs(get_upload_folder(), exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=get_upload_folder(), suffix=".webp", delete=False) as file:
        picture.save(file, "webp")
    return file.name


def check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"The image has {width} x {height} pixels; the maximum is {MAX_PIXELS / 1e6:.0f} million. Upload a "
            "smaller one."
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ValueError(
            f"The image has {width} x {height} pixels: one side is more than {MAX_RATIO} times the other. Crop it."
        )


@contextmanager
def errors_for_users() -> Generator[None]:
    """Shows the reason of an error in the browser, which otherwise shows "Error"."""
    try:
        yield
    except gr.Error:
        raise
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Exception as error:
        logger.exception("A request failed.")
        raise gr.Error("The server could not compute this. Its log has the reason.", print_exception=False) from error
