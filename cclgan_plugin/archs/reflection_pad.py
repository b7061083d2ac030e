"""Reflection padding that keeps nothing of its input for the backward pass, and any dtype under autocast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.kernels import fits
from cclgan_plugin.kernels.layout import is_channels_last, stand_in

Sides = tuple[int, int, int, int]


class _ReflectionPad(torch.autograd.Function):
    """PyTorch's own holds its input, of which the backward pass needs the shape alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sides: Sides) -> Tensor:
        ctx.shape, ctx.sides, ctx.channels_last = x.shape, sides, is_channels_last(x)
        return F.pad(x, sides, mode='reflect')

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (grad,) = grads
        shape_only = stand_in(ctx.shape, ctx.channels_last, grad)
        return torch.ops.aten.reflection_pad2d_backward(grad, shape_only, ctx.sides), None


def reflection_pad(x: Tensor, sides: Sides) -> Tensor:
    """``F.pad(x, sides, mode='reflect')`` of ``(N, C, H, W)``, with gradients of any order.

    Args:
        x: any float dtype, which the result has too: autocast on the CPU would widen it to float32.
        sides: pixels to add left, right, above and below; each less than the side that is reflected.
    """
    if torch.is_autocast_enabled(x.device.type):
        with torch.autocast(x.device.type, enabled=False):
            return reflection_pad(x, sides)
    if fits(x) and max(sides[:2]) < x.shape[3] and max(sides[2:]) < x.shape[2]:
        from cclgan_plugin.kernels.padding import reflect

        return reflect(x, sides)
    if torch.is_grad_enabled() and x.requires_grad:
        return _ReflectionPad.apply(x, sides)
    return F.pad(x, sides, mode='reflect')


class ReflectionPad2d(nn.Module):
    """:func:`reflection_pad` as a module, by the same number of pixels on every side."""

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return reflection_pad(x, (self.padding,) * 4)

    def extra_repr(self) -> str:
        return str(self.padding)
