"""Mean absolute differences of features, read once and written nowhere."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from cclgan_plugin.kernels.tiles import PROGRAMS, TILE


@triton.jit
def _sums(a, b, sums, size, share, P: tl.constexpr):
    part, image = tl.program_id(0), tl.program_id(1)
    a += image * size
    b += image * size
    last = tl.minimum((part + 1) * share, size)
    total = tl.zeros((P,), tl.float32)
    for start in range(part * share, last, P):
        i = start + tl.arange(0, P)
        x = tl.load(a + i, mask=i < last, other=0.0).to(tl.float32)
        total += tl.abs(x - tl.load(b + i, mask=i < last, other=0.0).to(tl.float32))
    tl.store(sums + image * tl.num_programs(0) + part, tl.sum(total, 0))


@triton.jit
def _signs(a, b, scale, found, size, P: tl.constexpr):
    i, image = tl.program_id(0) * P + tl.arange(0, P), tl.program_id(1)
    at = image * size + i
    x = tl.load(a + at, mask=i < size, other=0.0).to(tl.float32)
    y = tl.load(b + at, mask=i < size, other=0.0).to(tl.float32)
    factor = tl.load(scale + image)
    # What is no number stays none.
    value = tl.where(x > y, factor, tl.where(x < y, -factor, (x - y) * factor))
    tl.store(found + at, value.to(found.dtype.element_ty), mask=i < size)


def mean_differences(a: Tensor, b: Tensor) -> Tensor:
    """The mean of ``|a - b|`` over each image, ``(N,)`` in float32; both ``(N, ...)`` and alike in memory."""
    n, size = len(a), a[0].numel()
    parts = max(1, min(triton.cdiv(2 * PROGRAMS, n), size // TILE))
    share = triton.cdiv(triton.cdiv(size, parts), TILE) * TILE
    parts = triton.cdiv(size, share)
    sums = torch.empty((n, parts), dtype=torch.float32, device=a.device)
    _sums[parts, n](a, b, sums, size, share, P=TILE)
    return sums.sum(1) / size


def signs(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """``sign(a - b) * scale`` in the dtype and layout of ``a``; ``scale`` is ``(N,)`` in float32."""
    found = torch.empty_like(a)
    size = a[0].numel()
    _signs[triton.cdiv(size, TILE), len(a)](a, b, scale.contiguous(), found, size, P=TILE)
    return found
