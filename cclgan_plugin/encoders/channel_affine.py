"""Images in [0, 1] to the numbers a pretrained network was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ChannelAffine(nn.Module):
    """``(images - mean) / std`` per channel; images (N, 3, H, W), mean and std in the images' units."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        # float64 until the network's dtype is known; one multiply-add instead of two passes.
        mean64 = torch.tensor(mean, dtype=torch.float64).view(1, -1, 1, 1)
        std64 = torch.tensor(std, dtype=torch.float64).view(1, -1, 1, 1)
        self.register_buffer('scale', 1 / std64, persistent=False)
        self.register_buffer('shift', -mean64 / std64, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return torch.addcmul(self.shift, images, self.scale)
