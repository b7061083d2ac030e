"""Instance normalisation whose gradient is right for every batch size, memory format and dtype.

``F.instance_norm`` and ``F.batch_norm`` compute a wrong gradient on the CPU (torch 2.8 to 2.15, relative
error 1.4, in float64 too) when one batch entry meets a gradient of another memory format than its input.
Patch sampling, which every contrastive loss does, produces just such gradients. So the kernel is chosen by
layout, and where it is the batch-norm kernel the gradient is first brought into the layout of the input.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _ChannelsLastNorm(torch.autograd.Function):
    """Batch norm of one channels-last image, whose gradient is brought into the same layout first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        y, mean, rstd = torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, mean, rstd)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        x, mean, rstd = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        # Differentiable again, as a gradient penalty needs.
        result = torch.ops.aten.native_batch_norm_backward(
            grad, x, None, None, None, mean, rstd, True, ctx.eps, [True, False, False]
        )
        return result[0], None


def instance_norm(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise every channel of every image to mean 0 and variance 1 over its pixels.

    Args:
        x: ``(N, C, H, W)``, any float dtype, contiguous or channels-last.
        eps: added to the (biased) variance.

    Returns:
        ``(N, C, H, W)`` of the same dtype and memory format. Statistics are taken in float32 or wider.
    """
    channels_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    if not channels_last:
        # native_layer_norm instead of F.layer_norm: autocast would widen the latter's result to float32.
        return torch.native_layer_norm(x.contiguous(), x.shape[2:], None, None, eps)[0]
    if x.shape[0] == 1:
        # With one image, batch statistics are the image's own; this is the only fast channels-last kernel.
        return _ChannelsLastNorm.apply(x, eps)
    n, c, h, w = x.shape
    return torch.native_group_norm(x, None, None, n, c, h * w, c, eps)[0]


class InstanceNorm(nn.Module):
    """:func:`instance_norm` as a module: no affine parameters, no running statistics."""

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, self.eps)

    def extra_repr(self) -> str:
        return f'eps={self.eps}'
