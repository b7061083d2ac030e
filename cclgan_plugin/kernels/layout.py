"""Memory formats of image batches, and stand-ins where a backward pass needs the shape of a tensor alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def is_channels_last(x: Tensor) -> bool:
    """Whether ``(N, C, H, W)`` lies in memory as N, H, W, C and not also as N, C, H, W."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def stand_in(shape: Sequence[int], channels_last: bool, like: Tensor) -> Tensor:
    """A tensor of a shape and memory format whose values are nothing, to be looked at and not read.

    Args:
        shape: ``(N, C, H, W)``.
        channels_last: its memory format, by which backward kernels choose theirs.
        like: gives dtype and device.
    """
    if channels_last:
        return torch.empty(
            tuple(shape), dtype=like.dtype, device=like.device, memory_format=torch.channels_last
        )
    if like.device.type == 'cpu':
        # Memory that nobody touches is none; what is expanded, the depthwise kernel writes out.
        return like.new_empty(tuple(shape))
    return like.new_empty(1).expand(tuple(shape))
