"""Batches come from worker processes in shared memory that is used again.

PyTorch makes new shared memory for every tensor of a batch. The system has to make its pages, and each
tensor is handed over as an open file: for eight 256x256 crops, whose decoding takes 5 ms, some 3 ms as bytes
and 7 as floats. Here a worker keeps a few blocks, announces each once, and writes its next batch into one
that is free: that is when nobody in the main process holds a tensor of the batch that was in it.
"""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from torch.utils.data import default_collate, get_worker_info
from torch.utils.data._utils.collate import default_collate_fn_map

from cclgan_plugin.data.shared_bytes import RESERVE, free_shared_memory

#: Blocks of one worker: those loaded ahead (2 by default), those that the training holds, and some to spare.
MOST_BLOCKS = 6
# A block's first byte says whether a batch is in it; tensors begin at multiples of this, as PyTorch's do.
_ALIGNMENT = 64

_Layout = dict[str, tuple[int, tuple[int, ...], torch.dtype]]


class Sample(dict[str, Any]):
    """What a dataset returns for its samples, so that any ``DataLoader`` hands its batches over this way."""


class _Batch(dict[str, Any]):
    """A batch in a worker; once through the queue it is a ``dict`` of tensors in the same memory."""

    def __init__(self, block: _Block, layout: _Layout, rest: dict[str, Any]) -> None:
        tensors = _views(torch.from_numpy(block.bytes[_ALIGNMENT:]), layout)
        super().__init__(tensors | rest)
        self._message = block, layout, rest

    def __reduce__(self) -> tuple[Any, ...]:
        block, layout, rest = self._message
        return _receive, (*block.announcement(), layout, rest)


class _Worker(NamedTuple):
    """A worker process; the token tells it from an earlier one of the same number."""

    pid: int
    token: str


class _Block:
    """Shared memory of a worker: the byte that says whether it is in use, and room for one batch."""

    def __init__(self, worker: _Worker, number: int, size: int) -> None:
        self._worker, self._number = worker, number
        self._memory = torch.empty(_ALIGNMENT + size, dtype=torch.uint8).share_memory_()
        self._announced = False
        self.bytes = self._memory.numpy()
        self.bytes[0] = 0

    def announcement(self) -> tuple[_Worker, int, torch.Tensor | None]:
        """What the main process needs to find this block; the memory itself the first time."""
        memory = None if self._announced else self._memory
        self._announced = True
        return self._worker, self._number, memory


class _Blocks:
    """The blocks of this process, if it is a worker."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._worker: _Worker | None = None

    def take(self, size: int) -> _Block | None:
        """A block that nobody uses, from now on in use; None = too many are, or there is no room for one."""
        self._worker = self._worker or _Worker(os.getpid(), uuid.uuid4().hex)
        free = (block for block in self._blocks if not block.bytes[0])
        block = next((block for block in free if len(block.bytes) >= _ALIGNMENT + size), None)
        if block is None:
            available = free_shared_memory()
            if len(self._blocks) == MOST_BLOCKS or (available is not None and available < RESERVE + size):
                return None
            block = _Block(self._worker, len(self._blocks), size)
            self._blocks.append(block)
        block.bytes[0] = 1
        return block


_mine = _Blocks()
# In the main process: the blocks that each worker has announced.
_theirs: dict[_Worker, dict[int, torch.Tensor]] = {}


def collate(samples: Sequence[Sample], *, collate_fn_map: Any = None) -> dict[str, Any]:
    """Puts samples into a batch, as ``default_collate`` does; in a worker in memory that is used again.

    Args:
        samples: all with the same keys, and tensors of the same shapes.
        collate_fn_map: PyTorch passes it; it is not looked at.

    Returns:
        Tensors stacked, all else as PyTorch collates it.
    """
    tensors = [key for key, value in samples[0].items() if isinstance(value, torch.Tensor)]
    stacks = {key: [sample[key] for sample in samples] for key in tensors}
    layout, size = _lay_out(stacks)
    block = None if get_worker_info() is None else _mine.take(size)
    if block is None:
        return default_collate([dict(sample) for sample in samples])
    others = [key for key in samples[0] if key not in stacks]
    rest = {key: default_collate([sample[key] for sample in samples]) for key in others}
    batch = _Batch(block, layout, rest)
    for key, stack in stacks.items():
        torch.stack(stack, out=batch[key])
    return batch


default_collate_fn_map[Sample] = collate


def _lay_out(stacks: dict[str, list[torch.Tensor]]) -> tuple[_Layout, int]:
    """Where in a block each tensor begins, its shape and type; and how many bytes they take."""
    layout: _Layout = {}
    size = 0
    for key, stack in stacks.items():
        layout[key] = (size, (len(stack), *stack[0].shape), stack[0].dtype)
        size += -(-sum(tensor.nbytes for tensor in stack) // _ALIGNMENT) * _ALIGNMENT
    return layout, size


def _views(memory: torch.Tensor, layout: _Layout) -> dict[str, torch.Tensor]:
    views = {}
    for key, (start, shape, dtype) in layout.items():
        size = int(np.prod(shape)) * dtype.itemsize
        views[key] = memory[start : start + size].view(dtype).view(shape)
    return views


def _receive(
    worker: _Worker, number: int, memory: torch.Tensor | None, layout: _Layout, rest: dict[str, Any]
) -> dict[str, Any]:
    """In the main process: the batch that a worker has put into one of its blocks."""
    if memory is not None:
        for other in [other for other in _theirs if not psutil.pid_exists(other.pid)]:
            del _theirs[other]
        _theirs.setdefault(worker, {})[number] = memory
    block = _theirs[worker][number].numpy()
    content = block[_ALIGNMENT:]
    # All tensors of the batch hold this array, whoever comes to hold them.
    weakref.finalize(content, _free, block, os.getpid()).atexit = False
    return _views(torch.from_numpy(content), layout) | rest


def _free(block: np.ndarray, holder: int) -> None:
    # A process forked meanwhile lets go of its copies of the tensors; the memory is one and the same.
    if os.getpid() == holder:
        block[0] = 0
