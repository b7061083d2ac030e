"""What the processes of a run tell each other."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch import distributed as dist


def is_distributed() -> bool:
    """Whether a process group is up."""
    return dist.is_available() and dist.is_initialized()


def broadcast_weights(nets: Iterable[nn.Module]) -> None:
    """Give every process the weights and buffers of rank 0; each rank has drawn its own."""
    if is_distributed():
        for net in nets:
            for tensor in (*net.parameters(), *net.buffers()):
                dist.broadcast(tensor.data, src=0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one message per dtype.

    A network that runs several times under one backward pass, forwards and encodings alike, is beyond
    what a wrapper around ``forward`` can see; adding up the finished gradients is exact whatever ran.
    A parameter without a gradient counts as zero, so that all ranks send messages of the same length.
    """
    if not is_distributed():
        return
    by_dtype: dict[torch.dtype, list[nn.Parameter]] = {}
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        by_dtype.setdefault(p.dtype, []).append(p)
    for group in by_dtype.values():
        grads: list[Tensor] = [p.grad for p in group if p.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        parts = flat.split([grad.numel() for grad in grads])
        torch._foreach_copy_(grads, [p.view_as(g) for p, g in zip(parts, grads, strict=True)])


def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of each entry over the processes, on every one of them."""
    if is_distributed():
        values = values.clone()
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values
