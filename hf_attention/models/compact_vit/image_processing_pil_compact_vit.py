# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The image processor of Compact ViT. It uses PIL and does not need torchvision."""

from typing import Any

import numpy as np
from PIL import Image, ImageOps
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import (
    ChannelDimension,
    ImageInput,
    PILImageResampling,
    SizeDict,
    infer_channel_dimension_format,
)
from transformers.processing_utils import ImagesKwargs


MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # number of channels to PIL mode
SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


class CompactVitImageProcessorKwargs(ImagesKwargs, total=False):
    r"""
    num_channels (`int`, *optional*, defaults to 3):
        Number of channels of the pixel values: 1 (gray), 3 (RGB) or 4 (RGBA). PIL images are converted.
    """

    num_channels: int


class CompactVitImageProcessorPil(PilBackend):
    """
    Converts images to `pixel_values` of shape (batch, `num_channels`, `size["height"]`, `size["width"]`): it applies
    the EXIF orientation, converts to `num_channels`, resizes, rescales to the range 0 to 1, and normalizes.

    An image of other proportions than `size` is squeezed. To crop it instead, set `size={"shortest_edge": s}`,
    `do_center_crop=True` and `crop_size={"height": s, "width": s}`; to pad it, set `size={"max_height": s,
    "max_width": s}`, `do_pad=True` and `pad_size={"height": s, "width": s}`. Padding repeats the pixels of the
    edges, on both sides.

    PIL images may have any mode with a known range: palettes are looked up, 16 bits are scaled to 8, and transparency
    is dropped unless `num_channels` is 4. Arrays and tensors must have `num_channels` channels, first or last.

    Args:
        num_channels (`int`, *optional*, defaults to 3): 1, 3 or 4, as in the model's config.
        size (`dict[str, int]`, *optional*, defaults to `{"height": 32, "width": 32}`): in pixels.
        resample (`PILImageResampling`, *optional*, defaults to `BICUBIC`)
        image_mean, image_std (`float` or `list[float]`, *optional*, defaults to 0.5):
            One value per channel, or one for all channels, for pixels from 0 to 1.

    Raises:
        `ValueError`: for an image with another number of channels, with NaN or infinite pixels, or of a mode without a
        known range (32-bit integers and floats).
    """

    _auto_class = "AutoImageProcessor"
    valid_kwargs = CompactVitImageProcessorKwargs
    model_input_names = ["pixel_values"]
    num_channels = 3
    resample = PILImageResampling.BICUBIC
    image_mean = 0.5
    image_std = 0.5
    size = {"height": 32, "width": 32}
    do_resize = True
    do_rescale = True
    do_normalize = True

    # `PilBackend.process_image` also gets the `valid_kwargs` of subclasses, which its `ImagesKwargs` does not have
    def process_image(  # ty: ignore[incompatible-method-override]
        self,
        image: ImageInput,
        do_convert_rgb: bool | None = None,
        input_data_format: str | ChannelDimension | None = None,
        num_channels: int = 3,
        **kwargs,
    ) -> np.ndarray:
        """Converts one image to an array of shape (num_channels, height, width); `do_convert_rgb` is ignored."""
        if isinstance(image, Image.Image):
            image = convert_mode(ImageOps.exif_transpose(image), MODES[num_channels])
        else:
            image = np.asarray(image)
            if image.ndim == 3 and input_data_format is None:
                # transformers 5.17 infers the format of 1 or 3 channels only
                input_data_format = infer_channel_dimension_format(image, num_channels=tuple(MODES))
        array = super().process_image(image, do_convert_rgb=False, input_data_format=input_data_format, **kwargs)
        if array.shape[0] != num_channels:
            raise ValueError(
                f"An image of shape {tuple(array.shape)} (channels first) has {array.shape[0]} channels, not "
                f"`num_channels` = {num_channels}. Pass a PIL image, which is converted, or change `num_channels`."
            )
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise ValueError("An image has NaN or infinite pixels. Fix or remove it.")
        return array

    # the image processor has no options for the other arguments
    def pad(  # ty: ignore[incompatible-method-override]
        self, images: list[np.ndarray], pad_size: SizeDict | None = None, **kwargs
    ) -> list[np.ndarray]:
        """Pads images (channels, height, width) to `pad_size` on both sides, with the pixels of their edges."""
        if pad_size is None or not (pad_size.height and pad_size.width):
            raise ValueError(f"`do_pad` needs a `pad_size` with `height` and `width`, got {pad_size}.")
        padded = []
        for image in images:
            above, left = pad_size.height - image.shape[1], pad_size.width - image.shape[2]
            if above < 0 or left < 0:
                raise ValueError(f"`pad_size` {pad_size} is smaller than an image of shape {image.shape}.")
            sides = [(0, 0), (above // 2, above - above // 2), (left // 2, left - left // 2)]
            padded.append(np.pad(image, sides, mode="edge"))
        return padded

    def to_dict(self) -> dict[str, Any]:
        fields = super().to_dict()
        auto_map = fields.get("auto_map", {})
        if isinstance(auto_map.get("AutoImageProcessor"), str):
            # [PIL class, torchvision class]: for a string, `pipeline` would look for a video processor and ask the
            # user to trust its code
            fields["auto_map"] = {**auto_map, "AutoImageProcessor": [auto_map["AutoImageProcessor"], None]}
        return fields

    def _standardize_kwargs(self, *args, **kwargs) -> dict[str, Any]:
        kwargs = super()._standardize_kwargs(*args, **kwargs)
        if kwargs["num_channels"] not in MODES:
            raise ValueError(f"`num_channels` must be 1, 3 or 4, got {kwargs['num_channels']}.")
        std = kwargs.get("image_std")
        if std is not None and min([std] if isinstance(std, (int, float)) else std) <= 0:
            raise ValueError(f"`image_std` must be above 0, got {std}.")
        for name in ("image_mean", "image_std"):  # a single value holds for all channels
            values = kwargs.get(name)
            values = {float(values)} if isinstance(values, (int, float)) else set(values or ())
            if len(values) == 1:
                kwargs[name] = (*values,) * kwargs["num_channels"]
        return kwargs


def convert_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converts a PIL image to `mode`. 16-bit values are scaled to 8 bits, whereas PIL would clip them at 255."""
    if image.mode in SIXTEEN_BIT_MODES:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(
            f"An image of PIL's mode {image.mode!r} ({'32-bit integers' if image.mode == 'I' else 'floats'}) has no "
            "known range. Scale it to 8 or 16 bits, or pass an array with the range that `rescale_factor` expects."
        )
    if image.mode == "P":
        image = image.convert("RGBA")  # converting a palette with transparency to other modes makes PIL warn
    return image if image.mode == mode else image.convert(mode)


__all__ = ["CompactVitImageProcessorPil"]
