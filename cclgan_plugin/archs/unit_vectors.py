"""Vectors of length 1, also where there is nothing to divide by."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _UnitVectors(torch.autograd.Function):
    """A third of the operations that autograd would make of it. The lengths are an output for its sake alone:
    saved outputs have gradients of their own where somebody differentiates the gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        length = x.norm(dim=-1, keepdim=True)
        length.masked_fill_(length == 0, 1)
        unit = x / length
        ctx.save_for_backward(unit, length)
        ctx.set_materialize_grads(False)
        return unit, length

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Tensor | None:
        unit, length = ctx.saved_tensors
        of_unit, of_length = grads
        found = None if of_length is None else of_length * unit
        if of_unit is not None:
            along = (of_unit * unit).sum(-1, keepdim=True)
            across = torch.addcmul(of_unit, unit, along, value=-1) / length
            found = across if found is None else found + across
        return found


def unit_vectors(x: Tensor) -> Tensor:
    """Divide vectors ``(..., C)`` by their lengths, in float32 or wider.

    A vector of zeros stays one, and its gradient is not divided. A fresh head makes them, where all its
    hidden units are off, and ``F.normalize`` would multiply their gradient by 1e12.
    """
    return _UnitVectors.apply(x)[0]
