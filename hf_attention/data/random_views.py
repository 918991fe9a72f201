# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Random crops and rotations of images that have been squeezed to one size, in their original proportions."""

from collections.abc import Sequence

import torch
from torch import nn


class RandomView(nn.Module):
    """
    Cuts a random part of each image and resizes it (Szegedy et al. 2014, arXiv 1409.4842, section 6), rotated by a
    random angle. A batch holds images of different proportions, each squeezed to the same height and width; the parts
    have the proportions of the original images.

    Args:
        size (`int`): height and width of the result, in pixels.
        scale (`Sequence[float]`): range of the part's share of the image's area.
        ratio (`Sequence[float]`, *optional*, defaults to 3/4 and 4/3):
            Range of the part's width divided by its height; `None` for that of the image. Where no such part fits
            into the image, it is smaller.
        degrees (`float`, *optional*, defaults to 0.0): greatest angle in either direction; pixels outside the image
            are those of its edge.
    """

    def __init__(
        self,
        size: int,
        scale: Sequence[float] = (1.0, 1.0),
        ratio: Sequence[float] | None = (3 / 4, 4 / 3),
        degrees: float = 0.0,
    ) -> None:
        super().__init__()
        self.size, self.scale, self.ratio, self.degrees = size, scale, ratio, degrees

    def forward(self, images: torch.Tensor, aspect_ratios: torch.Tensor | None = None) -> torch.Tensor:
        """
        Args:
            images (`torch.FloatTensor` of shape `(batch_size, channels, height, width)`): the squeezed images.
            aspect_ratios (`torch.FloatTensor` of shape `(batch_size,)`, *optional*):
                Width of each original image divided by its height. By default that of `images`.

        Returns:
            `torch.FloatTensor` of shape `(batch_size, channels, size, size)`.
        """
        count, channels, height, width = images.shape
        if aspect_ratios is None:
            aspect_ratios = images.new_full((count,), width / height)
        aspect = aspect_ratios.to(images)  # (B,), the width of an image of height 1

        def uniform(low: float, high: float) -> torch.Tensor:
            return torch.empty(count, device=images.device).uniform_(low, high)

        area = aspect * uniform(*self.scale)
        ratio = aspect
        if self.ratio is not None:  # those with which the part fits, where there are any
            least, most = self.ratio
            low, high = area.clamp(least, most).log(), (aspect**2 / area).clamp(least, most).log()
            ratio = (low + uniform(0, 1) * (high - low)).exp()
        across, down = (area * ratio).sqrt(), (area / ratio).sqrt()  # width and height of the part
        shrink = torch.minimum(aspect / across, 1 / down).clamp(max=1)
        across, down = across * shrink, down * shrink
        x, y = uniform(-1, 1) * (1 - across / aspect), uniform(-1, 1) * (1 - down)  # its center, from -1 to 1
        angle = uniform(-self.degrees, self.degrees).deg2rad()
        theta = torch.stack(
            [
                torch.stack([across * angle.cos() / aspect, -down * angle.sin() / aspect, x], dim=1),
                torch.stack([across * angle.sin(), down * angle.cos(), y], dim=1),
            ],
            dim=1,
        )  # (B, 2, 3)
        grid = nn.functional.affine_grid(theta, [count, channels, self.size, self.size], align_corners=False)
        return nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


__all__ = ["RandomView"]
