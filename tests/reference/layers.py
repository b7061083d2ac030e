"""The parts of the networks, spelled out on ``(N, C, H, W)`` tensors of any float dtype and any device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]


def conv(state: State, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Convolution by ``{name}.weight``, with ``{name}.bias`` where the state has one; zero padding."""
    return F.conv2d(x, state[f'{name}.weight'], state.get(f'{name}.bias'), stride=stride, padding=padding)


def transposed_conv(state: State, name: str, x: Tensor) -> Tensor:
    """Transposed 3x3 convolution that doubles the sides: stride 2, padding 1, output padding 1."""
    weight, bias = state[f'{name}.weight'], state.get(f'{name}.bias')
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)


def instance_norm(x: Tensor) -> Tensor:
    """Zero mean and unit (biased) variance of every channel of every image, eps 1e-5 under the root.

    By hand, because the backward of ``F.instance_norm`` is wrong for a batch of one whose incoming gradient
    is channels-last.
    """
    mean = x.mean(dim=(2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(2, 3), keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5)


def reflect_pad(x: Tensor, pad: int) -> Tensor:
    """Mirror ``pad`` pixels at each of the four sides; the outermost row or column is not repeated."""
    for dim in (2, 3):
        size = x.shape[dim]
        if pad >= size:
            raise ValueError(f'cannot reflect {pad} pixels at a side of {size}')
        before = x.narrow(dim, 1, pad).flip(dim)
        after = x.narrow(dim, size - 1 - pad, pad).flip(dim)
        x = torch.cat([before, x, after], dim)
    return x


def enlarge(x: Tensor, multiple: int = 4, least: int = 8) -> Tensor:
    """Grow at the right and the bottom to a multiple of ``multiple``, and to at least ``least``.

    By reflection, several times over where the image is too small for one; a side of one pixel is repeated.
    """
    for dim in (2, 3):
        wanted = max(least, -(-x.shape[dim] // multiple) * multiple)
        while x.shape[dim] < wanted:
            size, missing = x.shape[dim], wanted - x.shape[dim]
            if size == 1:
                more = torch.cat([x] * missing, dim)
            else:
                count = min(missing, size - 1)
                more = x.narrow(dim, size - 1 - count, count).flip(dim)
            x = torch.cat([x, more], dim)
    return x


def blur_pool(x: Tensor) -> Tensor:
    """Reflect by one pixel, blur with [1, 2, 1] x [1, 2, 1] / 16, keep every second pixel."""
    rows, columns = (x.shape[2] + 1) // 2, (x.shape[3] + 1) // 2
    x = reflect_pad(x, 1)
    total = torch.zeros_like(x[:, :, : 2 * rows : 2, : 2 * columns : 2])
    for i, row_weight in enumerate((1, 2, 1)):
        for j, column_weight in enumerate((1, 2, 1)):
            shifted = x[:, :, i : i + 2 * rows - 1 : 2, j : j + 2 * columns - 1 : 2]
            total = total + row_weight * column_weight / 16 * shifted
    return total


def blur_upsample(x: Tensor) -> Tensor:
    """Double both sides with the kernel [1, 3, 3, 1] / 4, edges repeated: bilinear, corners not aligned."""
    for dim in (2, 3):
        size = x.shape[dim]
        before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, size - 1)], dim)
        after = torch.cat([x.narrow(dim, 1, size - 1), x.narrow(dim, size - 1, 1)], dim)
        even, odd = (before + 3 * x) / 4, (3 * x + after) / 4
        x = torch.stack([even, odd], dim + 1).flatten(dim, dim + 1)
    return x


def l2_normalise(x: Tensor) -> Tensor:
    """Vectors along the last axis divided by their length; the zero vector stays zero."""
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)
