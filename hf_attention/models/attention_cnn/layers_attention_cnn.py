# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The attention of an attention CNN: channel gates, relations between positions, and the window that is looked through.

Shapes: B batch, C channels, N positions (height x width).
"""

import torch
from torch import nn

from .configuration_attention_cnn import AttentionCnnConfig


class AttentionCnnSqueezeExcitation(nn.Module):
    """
    Squeeze-and-excitation (Hu et al. 2017, section 3): z_c is the mean of channel c (equation 2), s = sigmoid(W2
    ReLU(W1 z)) (equation 3), and channel c becomes s_c x_c (equation 4).
    """

    def __init__(self, channels: int, reduction_ratio: int):
        super().__init__()
        self.reduce = nn.Linear(channels, channels // reduction_ratio)
        self.expand = nn.Linear(channels // reduction_ratio, channels)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, height, width) to the same, and the gates (B, C)."""
        squeezed = hidden_states.mean(dim=(2, 3))  # (B, C)
        gates = self.expand(self.reduce(squeezed).relu()).sigmoid()
        return hidden_states * gates[:, :, None, None], gates


class ZeroInitBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization whose scale starts at 0, so that the branch it ends starts as nothing."""


class AttentionCnnNonLocal(nn.Module):
    """
    The non-local block (Wang et al. 2017, section 3): y_i = sum_j f(x_i, x_j) g(x_j) / C(x) (equation 1), z_i = W_z
    y_i + x_i (equation 6), with half the channels inside, and after W_z a batch norm that starts at 0 (section 4.1).
    f and C by `pairwise_function`, section 3.2: softmax of theta_i . phi_j, or of x_i . x_j; theta_i . phi_j / N;
    ReLU(w_f [theta_i, phi_j]) / N.
    """

    def __init__(self, channels: int, pairwise_function: str):
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

    def relate(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """f(x_i, x_j) / C(x) of all pairs: (B, C, height, width) to (B, N, N), row i of the position that looks."""
        if self.pairwise_function == "gaussian":
            query = key = hidden_states.flatten(2)  # (B, C, N)
        else:
            query, key = self.theta(hidden_states).flatten(2), self.phi(hidden_states).flatten(2)  # (B, C / 2, N)
        if self.pairwise_function == "concatenation":
            # w_f [theta_i, phi_j] is a sum of one number for i and one for j
            of_query, of_key = self.w_f.weight[0].split(query.shape[1])
            scores = (of_query @ query).unsqueeze(2) + (of_key @ key).unsqueeze(1)
            return scores.relu() / scores.shape[-1]
        scores = query.transpose(1, 2) @ key
        return scores / scores.shape[-1] if self.pairwise_function == "dot_product" else scores.softmax(dim=-1)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, height, width) to the same, and the weights (B, 1, N, N)."""
        weights = self.relate(hidden_states)
        related = self.g(hidden_states).flatten(2) @ weights.transpose(1, 2)  # (B, C / 2, N)
        related = related.unflatten(2, hidden_states.shape[2:])
        return hidden_states + self.norm(self.w_z(related)), weights.unsqueeze(1)


class AttentionCnnTheta(nn.Linear):
    """
    The regression of theta, which starts at the identity: theta = identity + u, u = 0.1 (W h + b), W and b 0; of
    scale and translation, tanh u. Both departures from the paper keep the window near the image at the learning rates
    that the rest of the network takes.
    """

    scaling = 0.1

    def __init__(self, in_features: int, spatial_transformer: str):
        super().__init__(in_features, 6 if spatial_transformer == "affine" else 3)
        self.is_affine = spatial_transformer == "affine"

    @property
    def identity(self) -> torch.Tensor:
        return self.bias.new_tensor([1.0, 0, 0, 0, 1, 0] if self.is_affine else [1.0, 0, 0])

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """(B, D) to (B, 2, 3): all of theta, or [[s, 0, t_x], [0, s, t_y]] (Jaderberg et al. 2015, equation 2)."""
        found = self.scaling * super().forward(hidden_states)
        if self.is_affine:
            return (self.identity + found).view(-1, 2, 3)
        scale, column, row = (self.identity + found.tanh()).unbind(dim=1)
        zero = torch.zeros_like(scale)
        return torch.stack([scale, zero, column, zero, scale, row], dim=1).view(-1, 2, 3)


class AttentionCnnSpatialTransformer(nn.Module):
    """
    The spatial transformer (Jaderberg et al. 2015, section 3): a localization network finds theta, the grid is (x_s,
    y_s) = theta (x_t, y_t, 1) (equation 1), in coordinates from -1 to 1 from edge to edge, and pixels are sampled
    bilinearly (equation 5), 0 beyond the image. The hidden layer's norm is a departure: without it its units die in
    the first steps, of learning rates that the rest of the network takes, and the window is the same for every image.
    """

    def __init__(self, config: AttentionCnnConfig):
        super().__init__()
        self.warped_size = config.warped_size
        layers, channels = [], config.num_channels
        for width in config.localization_sizes:
            layers += [nn.Conv2d(channels, width, kernel_size=5, stride=2, padding=2), nn.ReLU()]
            channels = width
        self.localization = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten())
        self.hidden = nn.Linear(channels * 49, config.localization_hidden_size)
        self.norm = nn.LayerNorm(config.localization_hidden_size)
        self.theta = AttentionCnnTheta(config.localization_hidden_size, config.spatial_transformer)

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, height, width) to what is seen, (B, C, warped_size, warped_size), and theta (B, 2, 3)."""
        theta = self.theta(self.norm(self.hidden(self.localization(pixel_values))).relu())
        size = pixel_values.shape[2:] if self.warped_size is None else (self.warped_size, self.warped_size)
        grid = nn.functional.affine_grid(theta, [*pixel_values.shape[:2], *size], align_corners=False)
        return nn.functional.grid_sample(pixel_values, grid, align_corners=False), theta
