"""The bias of a convolution and the rectifier behind it, added in place; the gradients of both."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from cclgan_plugin.kernels.tiles import as_images, over_pixels, share_of, tile_of


@triton.jit
def _add(y, bias, pixels, slope: tl.constexpr, channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    at = p[:, None] * channels + c[None, :]
    value = tl.load(y + at, mask=inside, other=0.0).to(tl.float32)
    value += tl.load(bias + c, mask=c < channels, other=0.0).to(tl.float32)[None, :]
    if slope == 0:
        value = tl.where(value <= 0, 0.0, value)
    elif slope != 1:
        value = tl.where(value > 0, value, value * slope)
    tl.store(y + at, value.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _before_rectifier(
    grad, y, found, pixels, slope: tl.constexpr, channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr
):
    p = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.program_id(1) * C + tl.arange(0, C)
    inside = (p < pixels)[:, None] & (c < channels)[None, :]
    at = p[:, None] * channels + c[None, :]
    g = tl.load(grad + at, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(y + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(found + at, tl.where(value > 0, g, g * slope).to(found.dtype.element_ty), mask=inside)


@triton.jit
def _sums(grad, sums, pixels, share, channels: tl.constexpr, P: tl.constexpr, C: tl.constexpr):
    c = tl.program_id(0) * C + tl.arange(0, C)
    part = tl.program_id(1)
    last = tl.minimum((part + 1) * share, pixels)
    total = tl.zeros((P, C), tl.float32)
    for start in range(part * share, last, P):
        p = start + tl.arange(0, P)
        inside = (p < last)[:, None] & (c < channels)[None, :]
        total += tl.load(grad + p[:, None] * channels + c[None, :], mask=inside, other=0.0).to(tl.float32)
    tl.store(sums + part * channels + c, tl.sum(total, 0), mask=c < channels)


def add(y: Tensor, bias: Tensor, slope: float) -> Tensor:
    """``y``, changed in place: plus a bias ``(C,)``, and rectified; ``slope`` 1 = not."""
    n, channels, height, width = y.shape
    pixels = n * height * width
    grid, tile = over_pixels(pixels, channels)
    _add[grid](y, bias, pixels, slope=slope, **tile)
    return y


def before_rectifier(grad: Tensor, y: Tensor, slope: float) -> Tensor:
    """The gradient before a rectifier that has given ``y``."""
    grad = as_images(grad)
    found = torch.empty_like(y)
    n, channels, height, width = y.shape
    pixels = n * height * width
    grid, tile = over_pixels(pixels, channels)
    _before_rectifier[grid](grad, y, found, pixels, slope=slope, **tile)
    return found


def sum_over_pixels(grad: Tensor) -> Tensor:
    """``(C,)`` in float32, added up in the same order every time."""
    grad = as_images(grad)
    n, channels, height, width = grad.shape
    pixels = n * height * width
    high, wide = tile_of(channels)
    share, parts = share_of(1, pixels, channels)
    sums = torch.empty((parts, channels), dtype=torch.float32, device=grad.device)
    _sums[triton.cdiv(channels, wide), parts](grad, sums, pixels, share, channels=channels, P=high, C=wide)
    return sums.sum(0)


class _Biased(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, bias: Tensor, slope: float) -> Tensor:
        ctx.mark_dirty(y)
        ctx.slope, ctx.bias = slope, bias.dtype
        add(y, bias, slope)
        if slope != 1:
            ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        (grad,) = grads
        if ctx.slope != 1:
            (y,) = ctx.saved_tensors
            if torch.is_grad_enabled():
                # Somebody differentiates the gradient: by what is known to be differentiable.
                grad = torch.where(y > 0, grad, grad * ctx.slope)
            else:
                grad = before_rectifier(grad, y, ctx.slope)
        if not ctx.needs_input_grad[1]:
            return grad, None, None
        if torch.is_grad_enabled():
            return grad, grad.sum((0, 2, 3)).to(ctx.bias), None
        return grad, sum_over_pixels(grad).to(ctx.bias), None


def biased(y: Tensor, bias: Tensor, slope: float = 1.0) -> Tensor:
    """A convolution's output, given up for this, with its bias and rectified, with gradients of any order."""
    return _Biased.apply(y, bias, slope)
