"""Anti-aliased down- and up-sampling (Zhang, "Making convolutional networks shift-invariant again", 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.archs.frozen_conv import frozen_conv2d
from cclgan_plugin.archs.reflection_pad import reflection_pad
from cclgan_plugin.kernels import fits


class BlurPool(nn.Module):
    """Halve height and width after a [1, 2, 1] x [1, 2, 1] / 16 blur, edges reflected.

    Shape: ``(N, C, H, W)`` to ``(N, C, ceil(H / 2), ceil(W / 2))``; H and W at least 2.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        # A constant of the layer, not a weight: it has no place in checkpoints.
        kernel = torch.outer(row, row).expand(channels, 1, 3, 3).contiguous()
        self.register_buffer('kernel', kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if fits(x) and min(x.shape[2:]) > 1:
            from cclgan_plugin.kernels.resampling import blur_pool

            return blur_pool(x)
        x = reflection_pad(x, (1, 1, 1, 1))
        return frozen_conv2d(x, self.kernel.to(x.dtype), stride=(2, 2), groups=self.kernel.shape[0])


class BlurUpsample(nn.Module):
    """Double height and width; the [1, 3, 3, 1] blur kernel is exactly bilinear interpolation.

    Shape: ``(N, C, H, W)`` to ``(N, C, 2 H, 2 W)``.
    """

    def forward(self, x: Tensor) -> Tensor:
        if fits(x):
            from cclgan_plugin.kernels.resampling import blur_upsample

            return blur_upsample(x)
        return F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)


def padded_size(size: int, multiple: int, minimum: int) -> int:
    """The length to which :func:`pad_to_multiple` grows a side."""
    return max(minimum, -(-size // multiple) * multiple)


def pad_to_multiple(x: Tensor, multiple: int, minimum: int) -> Tensor:
    """Grow an image at its right and lower edge by reflection, so that any size can be processed.

    Args:
        x: ``(N, C, H, W)``, H and W at least 1.
        multiple: both sides of the result are multiples of this.
        minimum: and at least this long.

    Returns:
        ``(N, C, H', W')`` whose upper left corner is ``x``; ``x`` itself where nothing is missing. An image
        smaller than what must be added is reflected repeatedly; one single row or column is repeated.
    """
    h, w = (padded_size(size, multiple, minimum) for size in x.shape[-2:])
    while x.shape[-2:] != (h, w):
        down, right = (
            min(target - size, max(size - 1, 0)) for target, size in zip((h, w), x.shape[-2:], strict=True)
        )
        if x.shape[-2] == 1 or x.shape[-1] == 1:
            down, right = (
                h - x.shape[-2] if x.shape[-2] == 1 else 0,
                w - x.shape[-1] if x.shape[-1] == 1 else 0,
            )
            x = F.pad(x, (0, right, 0, down), mode='replicate')
        else:
            x = reflection_pad(x, (0, right, 0, down))
    return x
