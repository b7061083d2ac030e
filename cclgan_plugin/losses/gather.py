"""Tensors of all processes side by side, in the order of the ranks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist


def gather_batches(x: Tensor) -> tuple[Tensor, int]:
    """Join the rows of every process; every process gets the same result.

    Rank r of R holds rows ``[r * n, (r + 1) * n)`` of the joined tensor::

        rank 0: x_0 ─┐
        rank 1: x_1 ─┼─> every rank: [x_0, x_1, x_2]
        rank 2: x_2 ─┘

    Args:
        x: ``(n, ...)``, the same shape on every rank, without gradient.

    Returns:
        ``(R n, ...)`` and the first row of this rank's own part; ``x`` and 0 where nothing is distributed.

    Raises:
        ValueError: a tensor that asks for a gradient, which this gathering would silently drop.
    """
    if x.requires_grad:
        raise ValueError('gather_batches: gathers constants only; detach the tensor first')
    if not (dist.is_available() and dist.is_initialized()):
        return x, 0
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts), dist.get_rank() * x.shape[0]
