"""Linear maps with a kernel each way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Map, back: Map) -> Tensor:
        ctx.maps = back, there
        return there(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _Linear.apply(grads[0], *ctx.maps), None, None


def linear(x: Tensor, there: Map, back: Map) -> Tensor:
    """``there(x)``, with gradients of any order, holding nothing.

    Args:
        x: any tensor.
        there: a linear map.
        back: its transpose, which is its gradient, as it is the transpose's.
    """
    return _Linear.apply(x, there, back)
