"""Reflection padding, and its gradient without atomic additions."""

from __future__ import annotations

from functools import partial

import triton
import triton.language as tl
from torch import Tensor

from cclgan_plugin.kernels.linear import linear
from cclgan_plugin.kernels.tiles import as_images, empty_images, over_pixels

Sides = tuple[int, int, int, int]


@triton.jit
def _reflected(i, size):
    i = tl.abs(i)
    return tl.minimum(i, 2 * (size - 1) - i)


@triton.jit
def _pad(
    x,
    y,
    pixels,
    height,
    width,
    new_height,
    new_width,
    left,
    top,
    channels: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    row = _reflected(p // new_width % new_height - top, height)
    column = _reflected(p % new_width - left, width)
    source = (p // (new_width * new_height) * height + row) * width + column
    value = tl.load(x + source[:, None] * channels + c[None, :], mask=inside)
    tl.store(y + p[:, None] * channels + c[None, :], value, mask=inside)


@triton.jit
def _copy_of(i, size, before, after, k: tl.constexpr):
    """Where the k-th copy of row or column ``i`` lies, itself or beyond an edge; and whether it does."""
    if k == 0:
        return i + before, i >= 0
    if k == 1:
        return before - i, (i >= 1) & (i <= before)
    return before + 2 * (size - 1) - i, (i <= size - 2) & (i >= size - 1 - after)


@triton.jit
def _gather(
    grad,
    found,
    pixels,
    height,
    width,
    left,
    right,
    top,
    bottom,
    channels: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    row, column = p // width % height, p % width
    new_height, new_width = height + top + bottom, width + left + right
    image = p // (width * height) * new_height
    total = tl.zeros((P, C), tl.float32)
    for i in tl.static_range(3):
        r, row_there = _copy_of(row, height, top, bottom, i)
        for j in tl.static_range(3):
            s, column_there = _copy_of(column, width, left, right, j)
            source = (image + r) * new_width + s
            there = inside & (row_there & column_there)[:, None]
            value = tl.load(grad + source[:, None] * channels + c[None, :], mask=there, other=0.0)
            total += value.to(tl.float32)
    total = total.to(found.dtype.element_ty)
    tl.store(found + p[:, None] * channels + c[None, :], total, mask=inside)


def pad(x: Tensor, sides: Sides) -> Tensor:
    """``F.pad(x, sides, mode='reflect')``: left, right, above, below; each less than the side itself."""
    n, channels, height, width = x.shape
    left, right, top, bottom = sides
    y = empty_images((n, channels, height + top + bottom, width + left + right), x)
    pixels = n * y.shape[2] * y.shape[3]
    grid, tile = over_pixels(pixels, channels)
    _pad[grid](x, y, pixels, height, width, *y.shape[2:], left, top, **tile)
    return y


def pad_backward(grad: Tensor, shape: tuple[int, ...], sides: Sides) -> Tensor:
    """The gradient of :func:`pad` to images of ``shape``."""
    n, channels, height, width = shape
    grad, found = as_images(grad), empty_images(shape, grad)
    pixels = n * height * width
    grid, tile = over_pixels(pixels, channels)
    _gather[grid](grad, found, pixels, height, width, *sides, **tile)
    return found


def reflect(x: Tensor, sides: Sides) -> Tensor:
    """:func:`pad` with gradients of any order, holding nothing."""
    return linear(x, partial(pad, sides=sides), partial(pad_backward, shape=tuple(x.shape), sides=sides))
