"""Anti-aliased halving and doubling of height and width."""

from __future__ import annotations

from functools import partial

import triton
import triton.language as tl
from torch import Tensor

from cclgan_plugin.kernels.linear import linear
from cclgan_plugin.kernels.padding import _reflected
from cclgan_plugin.kernels.tiles import as_images, empty_images, over_pixels


@triton.jit
def _halve(
    x,
    y,
    pixels,
    height,
    width,
    new_height,
    new_width,
    channels: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    row, column = p // new_width % new_height, p % new_width
    image = p // (new_width * new_height) * height
    total = tl.zeros((P, C), tl.float32)
    for i in tl.static_range(3):
        r = image + _reflected(2 * row + i - 1, height)
        for j in tl.static_range(3):
            source = r * width + _reflected(2 * column + j - 1, width)
            value = tl.load(x + source[:, None] * channels + c[None, :], mask=inside, other=0.0)
            total += value.to(tl.float32) * ((1 + i % 2) * (1 + j % 2) / 16)
    tl.store(y + p[:, None] * channels + c[None, :], total.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _half_of(i, size, new_size, k: tl.constexpr):
    """The k-th place of the halved side that ``i`` went into, and its weight there."""
    odd = i % 2 == 1
    if k == 0:
        return i // 2, tl.where(odd, tl.where(i == 1, 0.5, 0.25), 0.5)
    there = odd & (i // 2 + 1 < new_size)
    # Behind the last column of an odd side lies, reflected, the last but one.
    return i // 2 + 1, tl.where(there, tl.where((i == size - 2) & (size % 2 == 1), 0.5, 0.25), 0.0)


@triton.jit
def _halve_backward(
    grad, found, pixels, height, width, new_height, new_width,
    channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    row, column = p // width % height, p % width
    image = p // (width * height) * new_height
    total = tl.zeros((P, C), tl.float32)
    for i in tl.static_range(2):
        r, row_weight = _half_of(row, height, new_height, i)
        for j in tl.static_range(2):
            s, column_weight = _half_of(column, width, new_width, j)
            weight = row_weight * column_weight
            source = (image + r) * new_width + s
            there = inside & (weight > 0)[:, None]
            value = tl.load(grad + source[:, None] * channels + c[None, :], mask=there, other=0.0)
            total += value.to(tl.float32) * weight[:, None]
    tl.store(found + p[:, None] * channels + c[None, :], total.to(found.dtype.element_ty), mask=inside)


@triton.jit
def _double(x, y, pixels, height, width, channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    row, column = p // (2 * width) % (2 * height), p % (2 * width)
    image = p // (4 * width * height) * height
    total = tl.zeros((P, C), tl.float32)
    for i in tl.static_range(2):
        # The nearer of two neighbours, then the one on the other side, at the edge itself again.
        r = row // 2 + i * (row % 2 * 2 - 1)
        r = image + tl.minimum(tl.maximum(r, 0), height - 1)
        for j in tl.static_range(2):
            s = column // 2 + j * (column % 2 * 2 - 1)
            source = r * width + tl.minimum(tl.maximum(s, 0), width - 1)
            value = tl.load(x + source[:, None] * channels + c[None, :], mask=inside, other=0.0)
            total += value.to(tl.float32) * ((3 - 2 * i) * (3 - 2 * j) / 16)
    tl.store(y + p[:, None] * channels + c[None, :], total.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _double_of(i, size, k: tl.constexpr):
    """The k-th of four places of the doubled side that ``i`` went into, and its weight there."""
    at = 2 * i + k - 1
    weight = tl.where((at >= 0) & (at < 2 * size), 0.75 if k == 1 or k == 2 else 0.25, 0.0)
    if k == 1:
        weight += tl.where(i == 0, 0.25, 0.0)
    if k == 2:
        weight += tl.where(i == size - 1, 0.25, 0.0)
    return at, weight


@triton.jit
def _double_backward(
    grad, found, pixels, height, width, channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr
):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    row, column = p // width % height, p % width
    image = p // (width * height) * 2 * height
    total = tl.zeros((P, C), tl.float32)
    for i in tl.static_range(4):
        r, row_weight = _double_of(row, height, i)
        for j in tl.static_range(4):
            s, column_weight = _double_of(column, width, j)
            weight = row_weight * column_weight
            source = (image + r) * 2 * width + s
            there = inside & (weight > 0)[:, None]
            value = tl.load(grad + source[:, None] * channels + c[None, :], mask=there, other=0.0)
            total += value.to(tl.float32) * weight[:, None]
    tl.store(found + p[:, None] * channels + c[None, :], total.to(found.dtype.element_ty), mask=inside)


def halve(x: Tensor) -> Tensor:
    """[1, 2, 1] x [1, 2, 1] / 16 at every second pixel, edges reflected; H and W at least 2.

    ``(N, C, H, W)`` to ``(N, C, ceil(H / 2), ceil(W / 2))``.
    """
    n, channels, height, width = x.shape
    y = empty_images((n, channels, (height + 1) // 2, (width + 1) // 2), x)
    pixels = n * y.shape[2] * y.shape[3]
    grid, tile = over_pixels(pixels, channels)
    _halve[grid](x, y, pixels, height, width, *y.shape[2:], **tile)
    return y


def halve_backward(grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The gradient of :func:`halve` to images of ``shape``."""
    n, channels, height, width = shape
    grad, found = as_images(grad), empty_images(shape, grad)
    pixels = n * height * width
    grid, tile = over_pixels(pixels, channels)
    _halve_backward[grid](grad, found, pixels, height, width, *grad.shape[2:], **tile)
    return found


def double(x: Tensor) -> Tensor:
    """Bilinear interpolation to ``(N, C, 2 H, 2 W)``, corners not aligned."""
    n, channels, height, width = x.shape
    y = empty_images((n, channels, 2 * height, 2 * width), x)
    pixels = n * 4 * height * width
    grid, tile = over_pixels(pixels, channels)
    _double[grid](x, y, pixels, height, width, **tile)
    return y


def double_backward(grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The gradient of :func:`double` to images of ``shape``."""
    n, channels, height, width = shape
    grad, found = as_images(grad), empty_images(shape, grad)
    pixels = n * height * width
    grid, tile = over_pixels(pixels, channels)
    _double_backward[grid](grad, found, pixels, height, width, **tile)
    return found


def blur_pool(x: Tensor) -> Tensor:
    """:func:`halve` with gradients of any order, holding nothing."""
    return linear(x, halve, partial(halve_backward, shape=tuple(x.shape)))


def blur_upsample(x: Tensor) -> Tensor:
    """:func:`double` with gradients of any order, holding nothing."""
    return linear(x, double, partial(double_backward, shape=tuple(x.shape)))
