"""Instance normalisation whose gradient is right for every batch size, memory format and dtype.

``F.instance_norm`` and ``F.batch_norm`` compute a wrong gradient on the CPU (torch 2.8 to 2.15, relative
error 1.4, in float64 too) when one batch entry meets a gradient of another memory format than its input.
Patch sampling, which every contrastive loss does, produces just such gradients. So the kernel is chosen by
layout, and the gradient is first brought into the layout of the input.

With a rectifier behind it, as everywhere in these networks, both are one node that holds the norm's input and
nothing else: where the output is positive follows from the input and its mean.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.kernels import fits
from cclgan_plugin.kernels.layout import is_channels_last


def _kernel(x: Tensor) -> str:
    """The fastest right kernel for a layout: ``ours``, ``rows``, ``batch`` or ``groups``; else ``sums``."""
    if not is_channels_last(x):
        return 'rows'
    if fits(x):
        return 'ours'
    if x.shape[0] == 1:
        # With one image, batch statistics are the image's own; this is the only fast channels-last kernel.
        return 'batch'
    # On CUDA devices the kernel for groups takes planes only.
    return 'sums' if x.is_cuda else 'groups'


def _normalise(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The result, and mean and 1 / deviation of each channel of each image."""
    n, c, h, w = x.shape
    kernel = _kernel(x)
    # Autocast would widen what the kernels return to float32: on CUDA all of them, on the CPU some.
    with torch.autocast(x.device.type, enabled=False):
        if kernel == 'rows':
            return torch.native_layer_norm(x.contiguous(), (h, w), None, None, eps)
        if kernel == 'batch':
            return torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
        if kernel == 'groups':
            return torch.native_group_norm(x, None, None, n, c, h * w, c, eps)
        wide = at_least_float32(x)
        variance, mean = torch.var_mean(wide, (2, 3), correction=0, keepdim=True)
        rstd = torch.rsqrt(variance + eps)
        return ((wide - mean) * rstd).to(x.dtype), mean, rstd


def _input_gradient(grad: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, eps: float) -> Tensor:
    n, c, h, w = x.shape
    kernel = _kernel(x)
    if kernel == 'rows':
        return torch.ops.aten.native_layer_norm_backward(
            grad.contiguous(), x.contiguous(), (h, w), mean, rstd, None, None, (True, False, False)
        )[0]
    grad = grad.contiguous(memory_format=torch.channels_last)
    if kernel == 'batch':
        return torch.ops.aten.native_batch_norm_backward(
            grad, x, None, None, None, mean, rstd, True, eps, (True, False, False)
        )[0]
    if kernel == 'groups':
        return torch.ops.aten.native_group_norm_backward(
            grad, x, mean, rstd, None, n, c, h * w, c, (True, False, False)
        )[0]
    wide = at_least_float32(grad)
    unit = (at_least_float32(x) - mean) * rstd
    along = (wide * unit).mean((2, 3), keepdim=True)
    return ((wide - wide.mean((2, 3), keepdim=True) - unit * along) * rstd).to(x.dtype)


def _rectify(y: Tensor, slope: float) -> Tensor:
    # In place, except in compiled code: there it saves nothing, and torch 2.11 loses all gradients over it.
    inplace = not torch.compiler.is_compiling()
    if slope == 0:
        return F.relu(y, inplace)
    return y if slope == 1 else F.leaky_relu(y, slope, inplace)


def _normalise_and_rectify(x: Tensor, eps: float, slope: float) -> tuple[Tensor, Tensor, Tensor]:
    if _kernel(x) == 'ours':
        from cclgan_plugin.kernels.norm import normalise

        return normalise(x, eps, slope)
    y, mean, rstd = _normalise(x, eps)
    return _rectify(y, slope), mean, rstd


class _NormRectifier(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, eps: float) -> Tensor:
        y, mean, rstd = _normalise_and_rectify(x, eps, slope)
        ctx.save_for_backward(x, mean, rstd)
        ctx.slope, ctx.eps = slope, eps
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        x, mean, rstd = ctx.saved_tensors
        (grad,) = grads
        if torch.is_grad_enabled():
            # Somebody differentiates the gradient, as a gradient penalty does: by the definition, then.
            y = _rectify(_by_definition(x, ctx.eps), ctx.slope)
            return torch.autograd.grad(y, x, grad, create_graph=True)[0], None, None
        if _kernel(x) == 'ours':
            from cclgan_plugin.kernels.norm import normalise_backward

            return normalise_backward(grad, x, mean, rstd, ctx.slope), None, None
        if ctx.slope != 1:
            grad = _rectifier_gradient(grad, x, mean.view(x.shape[0], x.shape[1], 1, 1), ctx.slope)
        return _input_gradient(grad, x, mean, rstd, ctx.eps), None, None


def _rectifier_gradient(grad: Tensor, x: Tensor, mean: Tensor, slope: float) -> Tensor:
    if x.dtype != mean.dtype:
        # In half precision a small distance from the mean may round to zero.
        return torch.where(x > mean, grad, grad * slope)
    # The rectifiers' own kernels take half the time of a comparison and a choice, or a quarter.
    if slope == 0:
        return torch.ops.aten.threshold_backward(grad, x - mean, 0)
    return torch.ops.aten.leaky_relu_backward(grad, x - mean, slope, False)


def _by_definition(x: Tensor, eps: float) -> Tensor:
    centred = x - x.mean((2, 3), keepdim=True)
    return centred * torch.rsqrt(centred.square().mean((2, 3), keepdim=True) + eps)


def instance_norm(x: Tensor, eps: float = 1e-5, slope: float = 1.0) -> Tensor:
    """Normalise every channel of every image to mean 0 and variance 1 over its pixels, and rectify.

    Args:
        x: ``(N, C, H, W)``, any float dtype, contiguous or channels-last.
        eps: added to the (biased) variance.
        slope: of the rectifier behind it, for negative values: 1 = none, 0 = ReLU, between them leaky ReLU.

    Returns:
        ``(N, C, H, W)`` of the same dtype and memory format. Statistics are taken in float32 or wider.
    """
    if torch.is_grad_enabled() and x.requires_grad:
        return _NormRectifier.apply(x, slope, eps)
    return _normalise_and_rectify(x, eps, slope)[0]


class InstanceNorm(nn.Module):
    """:func:`instance_norm` as a module: no affine parameters, no running statistics.

    Args:
        eps: added to the variance.
        slope: of the rectifier behind it; 1 = none.
    """

    def __init__(self, eps: float = 1e-5, slope: float = 1.0) -> None:
        super().__init__()
        self.eps = eps
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, self.eps, self.slope)

    def extra_repr(self) -> str:
        return f'eps={self.eps}' + (f', slope={self.slope}' if self.slope != 1 else '')
