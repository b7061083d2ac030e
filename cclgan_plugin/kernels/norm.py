"""Instance norm and the rectifier behind it: one pass for the moments, one for the result.

A sum over an image's pixels is shared out among programs; what they found is merged by a second, small
kernel, in the same order every time.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from cclgan_plugin.kernels.tiles import as_images, empty_images, share_of, tile_of

#: Channels that one program merges.
MERGED = 16


@triton.jit
def _moments(x, means, squares, pixels, share, channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr):
    """Of each share: the mean, and the sum of squared differences from it."""
    c = tl.program_id(0) * C + tl.arange(0, C)
    part, image = tl.program_id(1), tl.program_id(2)
    first = part * share
    last = tl.minimum(first + share, pixels)
    x += image * pixels * channels
    p = first + tl.arange(0, P)
    inside = (p < last)[:, None] & (c < channels)[None, :]
    value = tl.load(x + p[:, None] * channels + c[None, :], mask=inside, other=0.0).to(tl.float32)
    # Sums of differences from something near the mean: sums of squares alone would cancel.
    near = tl.sum(value, 0) / tl.minimum(last - first, P)
    difference = tl.where(inside, value - near[None, :], 0.0)
    total, total_squares = difference, difference * difference
    for start in range(first + P, last, P):
        p = start + tl.arange(0, P)
        inside = (p < last)[:, None] & (c < channels)[None, :]
        value = tl.load(x + p[:, None] * channels + c[None, :], mask=inside, other=0.0).to(tl.float32)
        difference = tl.where(inside, value - near[None, :], 0.0)
        total += difference
        total_squares += difference * difference
    beyond = tl.sum(total, 0) / (last - first)
    at = (image * tl.num_programs(1) + part) * channels + c
    tl.store(means + at, near + beyond, mask=c < channels)
    tl.store(squares + at, tl.sum(total_squares, 0) - tl.sum(total, 0) * beyond, mask=c < channels)


@triton.jit
def _merge_moments(
    means,
    squares,
    mean,
    rstd,
    pixels,
    share,
    parts,
    eps,
    channels: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    c = tl.program_id(0) * C + tl.arange(0, C)
    image, part = tl.program_id(1), tl.arange(0, P)
    inside = (part < parts)[:, None] & (c < channels)[None, :]
    at = (image * parts + part)[:, None] * channels + c[None, :]
    count = tl.where(part < parts, tl.minimum(pixels - part * share, share), 0).to(tl.float32)[:, None]
    own = tl.load(means + at, mask=inside, other=0.0)
    overall = tl.sum(own * count, 0) / pixels
    difference = tl.where(inside, own - overall[None, :], 0.0)
    within = tl.load(squares + at, mask=inside, other=0.0)
    variance = tl.maximum(tl.sum(within + difference * difference * count, 0) / pixels, 0.0)
    tl.store(mean + image * channels + c, overall, mask=c < channels)
    tl.store(rstd + image * channels + c, tl.rsqrt(variance + eps), mask=c < channels)


@triton.jit
def _result(
    x, mean, rstd, y, pixels, slope: tl.constexpr, channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr
):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    image = tl.program_id(2)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    at = image * pixels * channels + p[:, None] * channels + c[None, :]
    centre = tl.load(mean + image * channels + c, mask=c < channels, other=0.0)
    scale = tl.load(rstd + image * channels + c, mask=c < channels, other=0.0)
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    value = (value - centre[None, :]) * scale[None, :]
    if slope == 0:
        value = tl.where(value <= 0, 0.0, value)
    elif slope != 1:
        value = tl.where(value > 0, value, value * slope)
    tl.store(y + at, value.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _before_rectifier(grad, value, centre, slope: tl.constexpr):
    if slope == 0:
        return tl.where(value > centre, grad, 0.0)
    if slope != 1:
        return tl.where(value > centre, grad, grad * slope)
    return grad


@triton.jit
def _gradient_sums(
    grad,
    x,
    mean,
    rstd,
    sums,
    products,
    pixels,
    share,
    slope: tl.constexpr,
    channels: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    """Of each share: the gradient's sum, and that of its product with the normalised input."""
    c = tl.program_id(0) * C + tl.arange(0, C)
    part, image = tl.program_id(1), tl.program_id(2)
    last = tl.minimum((part + 1) * share, pixels)
    x += image * pixels * channels
    grad += image * pixels * channels
    centre = tl.load(mean + image * channels + c, mask=c < channels, other=0.0)[None, :]
    scale = tl.load(rstd + image * channels + c, mask=c < channels, other=0.0)[None, :]
    total = tl.zeros((P, C), tl.float32)
    product = tl.zeros((P, C), tl.float32)
    for start in range(part * share, last, P):
        p = start + tl.arange(0, P)
        inside = (p < last)[:, None] & (c < channels)[None, :]
        at = p[:, None] * channels + c[None, :]
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(grad + at, mask=inside, other=0.0).to(tl.float32)
        g = _before_rectifier(g, value, centre, slope)
        total += g
        product += g * (value - centre) * scale
    at = (image * tl.num_programs(1) + part) * channels + c
    tl.store(sums + at, tl.sum(total, 0), mask=c < channels)
    tl.store(products + at, tl.sum(product, 0), mask=c < channels)


@triton.jit
def _merge_sums(
    sums, products, means, pixels, parts, images, channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr
):
    c = tl.program_id(0) * C + tl.arange(0, C)
    image, part = tl.program_id(1), tl.arange(0, P)
    inside = (part < parts)[:, None] & (c < channels)[None, :]
    at = (image * parts + part)[:, None] * channels + c[None, :]
    mean = tl.sum(tl.load(sums + at, mask=inside, other=0.0), 0) / pixels
    along = tl.sum(tl.load(products + at, mask=inside, other=0.0), 0) / pixels
    tl.store(means + image * channels + c, mean, mask=c < channels)
    tl.store(means + (images + image) * channels + c, along, mask=c < channels)


@triton.jit
def _gradient(
    grad,
    x,
    mean,
    rstd,
    means,
    found,
    pixels,
    slope: tl.constexpr,
    channels: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    image, images = tl.program_id(2), tl.num_programs(2)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    at = image * pixels * channels + p[:, None] * channels + c[None, :]
    row = image * channels + c
    centre = tl.load(mean + row, mask=c < channels, other=0.0)[None, :]
    scale = tl.load(rstd + row, mask=c < channels, other=0.0)[None, :]
    average = tl.load(means + row, mask=c < channels, other=0.0)[None, :]
    along = tl.load(means + images * channels + row, mask=c < channels, other=0.0)[None, :]
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    g = tl.load(grad + at, mask=inside, other=0.0).to(tl.float32)
    g = _before_rectifier(g, value, centre, slope)
    g = (g - average - (value - centre) * scale * along) * scale
    tl.store(found + at, g.to(found.dtype.element_ty), mask=inside)


def normalise(x: Tensor, eps: float, slope: float) -> tuple[Tensor, Tensor, Tensor]:
    """Instance norm and rectifier.

    Args:
        x: ``(N, C, H, W)``, channels-last.
        eps: added to the biased variance.
        slope: of the rectifier for negative values; 1 = none.

    Returns:
        The result like ``x``, and mean and 1 / deviation, ``(N, C, 1, 1)`` in float32.
    """
    n, channels, height, width = x.shape
    pixels = height * width
    high, wide = tile_of(channels)
    share, parts = share_of(n, pixels, channels)
    means, squares = torch.empty((2, n, parts, channels), dtype=torch.float32, device=x.device)
    mean, rstd = torch.empty((2, n, channels, 1, 1), dtype=torch.float32, device=x.device)
    y = empty_images((n, channels, height, width), x)
    blocks = triton.cdiv(channels, wide)
    _moments[blocks, parts, n](x, means, squares, pixels, share, channels=channels, P=high, C=wide)
    _merge_moments[triton.cdiv(channels, MERGED), n](
        means, squares, mean, rstd, pixels, share, parts, eps,
        channels=channels, P=triton.next_power_of_2(parts), C=MERGED,
    )  # fmt: skip
    _result[triton.cdiv(pixels, high), blocks, n](
        x, mean, rstd, y, pixels, slope=slope, channels=channels, P=high, C=wide
    )
    return y, mean, rstd


def normalise_backward(grad: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, slope: float) -> Tensor:
    """The gradient of :func:`normalise` to ``x``; ``mean`` and ``rstd`` as it returned them."""
    n, channels, height, width = x.shape
    pixels = height * width
    high, wide = tile_of(channels)
    share, parts = share_of(n, pixels, channels)
    grad = as_images(grad)
    sums, products = torch.empty((2, n, parts, channels), dtype=torch.float32, device=x.device)
    means = torch.empty((2, n, channels), dtype=torch.float32, device=x.device)
    found = empty_images((n, channels, height, width), x)
    blocks = triton.cdiv(channels, wide)
    how = {'slope': slope, 'channels': channels, 'P': high, 'C': wide}
    _gradient_sums[blocks, parts, n](grad, x, mean, rstd, sums, products, pixels, share, **how)
    _merge_sums[triton.cdiv(channels, MERGED), n](
        sums, products, means, pixels, parts, n,
        channels=channels, P=triton.next_power_of_2(parts), C=MERGED,
    )  # fmt: skip
    _gradient[triton.cdiv(pixels, high), blocks, n](grad, x, mean, rstd, means, found, pixels, **how)
    return found
