"""The mean of the gradients over the processes, sent while the backward pass still computes others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from cclgan_plugin.training.distributed import is_distributed

#: Bytes of one message: large enough that its latency does not count, small enough to leave early.
MESSAGE = 8 << 20


class _Bucket:
    """Parameters of one dtype whose gradients travel in one message."""

    def __init__(self) -> None:
        self.parameters: list[nn.Parameter] = []
        self.missing = 0
        self.flat: Tensor | None = None
        self.work: Any = None

    def send(self, values: Tensor | None) -> None:
        """Begin to sum the gradients up; a parameter without one counts as zero."""
        for p in self.parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        parts = [p.grad.flatten() for p in self.parameters if p.grad is not None]
        self.flat = torch.cat(parts if values is None else [*parts, values.to(parts[0].dtype)])
        self.work = dist.all_reduce(self.flat, async_op=True)

    def receive(self) -> Tensor:
        """Put the means where the gradients were; what else was in the message is returned."""
        self.work.wait()
        assert self.flat is not None
        flat, self.flat, self.work = self.flat / dist.get_world_size(), None, None
        sizes = [p.numel() for p in self.parameters]
        *means, rest = flat.split([*sizes, flat.numel() - sum(sizes)])
        grads = [p.grad for p in self.parameters if p.grad is not None]
        torch._foreach_copy_(grads, [m.view_as(g) for m, g in zip(means, grads, strict=True)])
        return rest


class GradientExchange:
    """Replaces each gradient by its mean over the processes.

    A network that runs several times under one backward pass, forwards and encodings alike, is beyond
    what a wrapper around ``forward`` can see; a leaf's gradient is finished once in a backward pass, whatever
    ran, and that is when it may leave::

        backward    | ... conv9 | conv8 | ... | conv1 |
        messages            [conv9, conv8] ... [conv1 + losses]   -> finish()

    Messages leave in one fixed order on all ranks, as they must.

    Args:
        parameters: the same on every rank, in the order of the forward pass.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._buckets: list[_Bucket] = []
        self._next = 0
        self._armed = False
        self._values: Tensor | None = None
        if not is_distributed():
            return
        size = 0
        for p in reversed(list(parameters)):
            last = self._buckets[-1] if self._buckets else None
            if last is None or last.parameters[0].dtype != p.dtype or size >= MESSAGE:
                self._buckets.append(_Bucket())
                size = 0
            self._buckets[-1].parameters.append(p)
            size += p.numel() * p.element_size()
        for bucket in self._buckets:
            for p in bucket.parameters:
                p.register_post_accumulate_grad_hook(self._finished(bucket))

    def _finished(self, bucket: _Bucket) -> Any:
        def hook(parameter: Tensor) -> None:
            if self._armed:
                bucket.missing -= 1
                self._send_ready()

        return hook

    def begin(self, values: Tensor) -> None:
        """The next backward pass is the last one before the step.

        Args:
            values: ``(n,)``, numbers that travel along, such as the losses.
        """
        self._values, self._next, self._armed = values, 0, True
        for bucket in self._buckets:
            bucket.missing = len(bucket.parameters)

    def _send_ready(self, all_of_them: bool = False) -> None:
        while self._next < len(self._buckets):
            bucket = self._buckets[self._next]
            if bucket.missing > 0 and not all_of_them:
                return
            self._next += 1
            bucket.send(self._values if self._next == len(self._buckets) else None)

    def finish(self) -> Tensor:
        """After the backward pass: wait for the means.

        Returns:
            The mean of ``values`` over the processes.
        """
        assert self._values is not None
        self._armed = False
        self._send_ready(all_of_them=True)
        received = [bucket.receive() for bucket in self._buckets]
        return received[-1].to(self._values.dtype) if received else self._values


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, at once and after the backward pass.

    Args:
        parameters: the same on every rank, of one dtype. One without a gradient counts as zero.
    """
    bucket = _Bucket()
    bucket.parameters = list(parameters)
    if is_distributed() and bucket.parameters:
        bucket.send(None)
        bucket.receive()
