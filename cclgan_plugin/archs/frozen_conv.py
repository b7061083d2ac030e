"""Convolutions that, while their weights are frozen, hold nothing of their input for the backward pass.

PyTorch's own holds its input whether or not a gradient of the weights is asked for. Discriminators and
semantic encoders are frozen while the generators learn, the kernels of blurs always: together a fifth of what
a step held.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.kernels import fits
from cclgan_plugin.kernels.fitting import MOST_NUMBERS
from cclgan_plugin.kernels.layout import is_channels_last, stand_in

Pair = tuple[int, int]


class _FrozenConv(torch.autograd.Function):
    """Gradient to the input only, for which a convolution needs its weights and the input's shape."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape, ctx.dtype, ctx.channels_last = x.shape, x.dtype, is_channels_last(x)
        ctx.geometry = (stride, padding, dilation, groups)
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        (grad,) = grads
        found = torch.ops.aten.convolution_backward(
            grad,
            stand_in(ctx.shape, ctx.channels_last, grad),
            weight.to(grad.dtype),  # under autocast the convolution ran in the gradient's dtype
            None,
            stride,
            padding,
            dilation,
            False,
            (0, 0),
            groups,
            (True, False, False),
        )
        return found[0].to(ctx.dtype), *[None] * 6


def frozen_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Tensor:
    """``F.conv2d`` with constant weights: gradient to ``x`` alone, of any order, without holding ``x``."""
    if torch.is_grad_enabled() and x.requires_grad:
        return _FrozenConv.apply(x, weight, bias, stride, padding, dilation, groups)
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


class FrozenAwareConv2d(nn.Conv2d):
    """``nn.Conv2d`` and a rectifier; :func:`frozen_conv2d` as long as its weights do not learn.

    Takes padding as a number or a pair, and zeros for it.

    Args:
        slope: of the rectifier behind it, for negative values: 1 = none, 0 = ReLU, between them leaky ReLU.
    """

    def __init__(self, *args: Any, slope: float = 1.0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        # The result may have many more channels than what goes in, and the kernel counts its numbers.
        if self.bias is not None and fits(x) and x.numel() // x.shape[1] * self.out_channels < MOST_NUMBERS:
            from cclgan_plugin.kernels.bias import biased

            return biased(self._convolve(x, None), self.bias, self.slope)
        # In place: nobody else sees the convolution's raw output.
        y = self._convolve(x, self.bias)
        if self.slope == 0:
            return F.relu(y, inplace=True)
        return y if self.slope == 1 else F.leaky_relu(y, self.slope, inplace=True)

    def _convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        learns = self.weight.requires_grad or (bias is not None and bias.requires_grad)
        if learns:
            return self._conv_forward(x, self.weight, bias)
        geometry: Any = (self.stride, self.padding, self.dilation, self.groups)
        return frozen_conv2d(x, self.weight, bias, *geometry)

    def extra_repr(self) -> str:
        return super().extra_repr() + (f', slope={self.slope}' if self.slope != 1 else '')
