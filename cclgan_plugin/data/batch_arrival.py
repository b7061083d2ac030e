"""In the main process: the batches that worker processes have put into their blocks of shared memory."""

from __future__ import annotations

import os
import weakref
from math import prod
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch

#: What a block's first byte says of it; only the main process writes to one that is in use.
FREE, IN_USE, ABANDONED = 0, 1, 2
#: Bytes before the content, and what tensors begin at multiples of, as PyTorch's do.
ALIGNMENT = 64

#: Of each tensor in a block: where it begins, its shape and type.
Layout = dict[str, tuple[int, tuple[int, ...], torch.dtype]]


class Worker(NamedTuple):
    """A worker process; the token tells it from an earlier one of the same number."""

    pid: int
    token: str


class _Forks:
    """How often this process was forked: the new process holds the same memory."""

    count = 0


# The blocks that each worker has announced, by their numbers.
_announced: dict[Worker, dict[int, torch.Tensor]] = {}


def tensors_in(content: np.ndarray, layout: Layout) -> dict[str, torch.Tensor]:
    """The tensors of a block. Each of them, and whatever is made of it, holds ``content``.

    Args:
        content: uint8 ``(n,)``, what is behind the first bytes of a block.
        layout: what is in it.
    """
    tensors = {}
    # Parts of a memoryview hold the array itself; parts of an array only what owns its memory.
    memory = content.data
    for key, (start, shape, dtype) in layout.items():
        part = np.frombuffer(memory[start : start + prod(shape) * dtype.itemsize], np.uint8)
        tensors[key] = torch.from_numpy(part).view(dtype).view(shape)
    return tensors


def receive(
    worker: Worker, number: int, memory: torch.Tensor | None, layout: Layout, rest: dict[str, Any]
) -> dict[str, Any]:
    """The batch that has arrived in a block, which is given back when nobody holds one of its tensors.

    They are like tensors of a loader without workers: each of its own, and not shared.

    Args:
        worker: whose block it is.
        number: which of its blocks.
        memory: the block, when it comes for the first time.
        layout: the tensors in it.
        rest: what else the batch has.
    """
    if memory is not None:
        _forget_the_dead()
        _announced.setdefault(worker, {})[number] = memory
    block = _announced[worker][number].numpy()
    content = block[ALIGNMENT:]
    weakref.finalize(content, _give_back, block, worker, number, _Forks.count).atexit = False
    return tensors_in(content, layout) | rest


def _give_back(block: np.ndarray, worker: Worker, number: int, forks: int) -> None:
    if _Forks.count == forks:
        block[0] = FREE
        return
    # A process forked while the batch was here may still read it, or this is that process.
    block[0] = ABANDONED
    _announced.get(worker, {}).pop(number, None)


def _forget_the_dead() -> None:
    # Loaders may be read by several threads: a copy to go through, and others may be as fast.
    for worker in list(_announced):
        if not psutil.pid_exists(worker.pid):
            _announced.pop(worker, None)


def _count_fork() -> None:
    _Forks.count += 1


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(before=_count_fork, after_in_child=_announced.clear)
