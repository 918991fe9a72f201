# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The attention layers of an attention CNN: squeeze-and-excitation, the non-local block, and the spatial transformer.

Shapes: B batch, C channels, N positions (height x width).
"""

import torch
from torch import nn

from .configuration_attention_cnn import AttentionCnnConfig


class AttentionCnnSqueezeExcitation(nn.Module):
    """
    Squeeze-and-excitation (Hu et al. 2017, section 3): z_c is the mean of channel c (equation 2), s = sigmoid(W2
    ReLU(W1 z)) (equation 3), and the output of channel c is s_c x_c (equation 4).
    """

    def __init__(self, channels: int, reduction_ratio: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, channels // reduction_ratio)
        self.expand = nn.Linear(channels // reduction_ratio, channels)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, height, width) to the same shape, and the gates (B, C)."""
        squeezed = hidden_states.mean(dim=(2, 3))  # (B, C)
        gates = self.expand(self.reduce(squeezed).relu()).sigmoid()
        return hidden_states * gates[:, :, None, None], gates


class ZeroInitBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization whose scale is initialized to 0, so that the branch that it ends initially adds nothing."""


class AttentionCnnNonLocal(nn.Module):
    """
    The non-local block (Wang et al. 2017, section 3): y_i = sum_j f(x_i, x_j) g(x_j) / C(x) (equation 1), z_i = W_z
    y_i + x_i (equation 6), with half the channels inside, and after W_z a batch norm initialized to 0 (section 4.1).

    `pairwise_function` sets f and C (section 3.2): the softmax of theta_i . phi_j (`"embedded_gaussian"`) or of
    x_i . x_j (`"gaussian"`), theta_i . phi_j / N (`"dot_product"`), or ReLU(w_f [theta_i, phi_j]) / N
    (`"concatenation"`).
    """

    def __init__(self, channels: int, pairwise_function: str) -> None:
        super().__init__()
        self.pairwise_function = pairwise_function
        inner = channels // 2
        self.g = nn.Conv2d(channels, inner, kernel_size=1)
        if pairwise_function != "gaussian":
            self.theta = nn.Conv2d(channels, inner, kernel_size=1)
            self.phi = nn.Conv2d(channels, inner, kernel_size=1)
        if pairwise_function == "concatenation":
            self.w_f = nn.Linear(2 * inner, 1, bias=False)
        self.w_z = nn.Conv2d(inner, channels, kernel_size=1)
        self.norm = ZeroInitBatchNorm2d(channels)

    def attention_weights(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Computes f(x_i, x_j) / C(x) for all pairs: (B, C, height, width) to (B, N, N), with i in rows."""
        if self.pairwise_function == "gaussian":
            query = key = hidden_states.flatten(2)  # (B, C, N)
        else:
            query, key = self.theta(hidden_states).flatten(2), self.phi(hidden_states).flatten(2)  # (B, C / 2, N)
        if self.pairwise_function == "concatenation":
            # w_f [theta_i, phi_j] is the sum of a term for i and a term for j (w_f may be quantized, so it is called)
            zeros = torch.zeros_like(query)
            query_scores = self.w_f(torch.cat([query, zeros], dim=1).transpose(1, 2))  # (B, N, 1)
            key_scores = self.w_f(torch.cat([zeros, key], dim=1).transpose(1, 2))
            scores = query_scores + key_scores.transpose(1, 2)
            return scores.relu() / scores.shape[-1]
        scores = query.transpose(1, 2) @ key
        return scores / scores.shape[-1] if self.pairwise_function == "dot_product" else scores.softmax(dim=-1)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, height, width) to the same shape, and the weights (B, 1, N, N)."""
        weights = self.attention_weights(hidden_states)
        context = self.g(hidden_states).flatten(2) @ weights.transpose(1, 2)  # (B, C / 2, N)
        context = context.unflatten(2, hidden_states.shape[2:])
        return hidden_states + self.norm(self.w_z(context)), weights.unsqueeze(1)


class AttentionCnnTheta(nn.Linear):
    """The last layer of the localization network, which is initialized to 0. (A quantized layer may replace it.)"""


def make_theta(outputs: torch.Tensor) -> torch.Tensor:
    """
    Returns theta (B, 2, 3) for the outputs u of a linear map, initialized to 0, so that theta starts at the identity:
    identity + 0.1 u for (B, 6), or, for (B, 3), [[s, 0, t_x], [0, s, t_y]] (Jaderberg et al. 2015, equation 2) with
    (s, t_x, t_y) = (1, 0, 0) + tanh 0.1 u. The factor of 0.1 and the tanh are not in the paper; they keep the window
    near the image at the learning rates that suit the rest of the network.
    """
    outputs = 0.1 * outputs
    if outputs.shape[1] == 6:
        return (outputs.new_tensor([1.0, 0, 0, 0, 1, 0]) + outputs).view(-1, 2, 3)
    scale, column, row = (outputs.new_tensor([1.0, 0, 0]) + outputs.tanh()).unbind(dim=1)
    zero = torch.zeros_like(scale)
    return torch.stack([scale, zero, column, zero, scale, row], dim=1).view(-1, 2, 3)


class AttentionCnnSpatialTransformer(nn.Module):
    """
    The spatial transformer (Jaderberg et al. 2015, section 3): a localization network predicts theta, the grid is
    (x_s, y_s) = theta (x_t, y_t, 1) (equation 1), in coordinates from -1 to 1 from edge to edge, and pixels are
    sampled bilinearly (equation 5), with 0 outside the image. The layer norm of the hidden layer is not in the paper:
    without it, at the learning rates that suit the rest of the network, its units die in the first steps, and the
    window is the same for every image.
    """

    def __init__(self, config: AttentionCnnConfig) -> None:
        super().__init__()
        self.warped_size = config.warped_size
        layers: list[nn.Module] = []
        channels = config.num_channels
        for width in config.localization_sizes:
            layers += [nn.Conv2d(channels, width, kernel_size=5, stride=2, padding=2), nn.ReLU()]
            channels = width
        self.localization = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten())
        self.hidden = nn.Linear(channels * 49, config.localization_hidden_size)
        self.norm = nn.LayerNorm(config.localization_hidden_size)
        size = 6 if config.spatial_transformer == "affine" else 3
        self.theta = AttentionCnnTheta(config.localization_hidden_size, size)

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, height, width) to the warped image (B, C, warped_size, warped_size), and theta (B, 2, 3)."""
        theta = make_theta(self.theta(self.norm(self.hidden(self.localization(pixel_values))).relu()))
        size = pixel_values.shape[2:] if self.warped_size is None else (self.warped_size, self.warped_size)
        grid = nn.functional.affine_grid(theta, [*pixel_values.shape[:2], *size], align_corners=False)
        return nn.functional.grid_sample(pixel_values, grid, align_corners=False), theta
