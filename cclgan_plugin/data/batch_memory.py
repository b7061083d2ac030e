"""Batches come from worker processes in shared memory that is used again.

PyTorch makes new shared memory for every tensor of a batch. The system has to make its pages, and each
tensor is handed over as an open file: for eight 256x256 crops, whose decoding takes 5 ms, some 3 ms as bytes
and 7 as floats. Here a worker keeps a few blocks, announces each once, and writes its next batch into one
that is free: neither held by the worker any more, nor by the main process.
"""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate, get_worker_info
from torch.utils.data._utils.collate import default_collate_fn_map

from cclgan_plugin.data.batch_arrival import (
    ABANDONED,
    ALIGNMENT,
    FREE,
    IN_USE,
    Layout,
    Worker,
    receive,
    tensors_in,
)
from cclgan_plugin.data.shared_bytes import RESERVE, free_shared_memory

#: Blocks of one worker: those loaded ahead (2 by default), those that the training holds, and some to spare.
MOST_BLOCKS = 6


class Sample(dict[str, Any]):
    """What a dataset returns for its samples, so that any ``DataLoader`` hands its batches over this way."""


class _Block:
    """Shared memory of this worker: a byte that says whether it is in use, and room for one batch."""

    def __init__(self, worker: Worker, number: int, size: int) -> None:
        self._worker, self._number = worker, number
        self._memory = torch.empty(ALIGNMENT + size, dtype=torch.uint8).share_memory_()
        self._bytes = self._memory.numpy()
        self._bytes[0] = FREE
        self._announced = False
        self._content: weakref.ref[np.ndarray] | None = None

    def is_free_for(self, size: int) -> bool:
        """Whether it has this many bytes, and neither this process nor the main one holds its content."""
        here = self._content is not None and self._content() is not None
        return not here and self._bytes[0] == FREE and len(self._bytes) >= ALIGNMENT + size

    @property
    def abandoned(self) -> bool:
        return bool(self._bytes[0] == ABANDONED)

    def content(self) -> np.ndarray:
        """Room for a batch, uint8 ``(n,)``; the block is not free as long as it is held."""
        content = self._bytes[ALIGNMENT:]
        self._content = weakref.ref(content)
        return content

    def hand_over(self) -> tuple[Worker, int, torch.Tensor | None]:
        """Gives it to the main process: what that needs to find it, the first time the memory too."""
        self._bytes[0] = IN_USE
        memory = None if self._announced else self._memory
        self._announced = True
        return self._worker, self._number, memory


class _Blocks:
    """The blocks of this process, if it is a worker."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._worker: Worker | None = None
        self._made = 0

    def take(self, size: int) -> _Block | None:
        """A block that nobody uses; None = too many are in use, or there is no room for another."""
        self._worker = self._worker or Worker(os.getpid(), uuid.uuid4().hex)
        self._blocks = [block for block in self._blocks if not block.abandoned]
        for block in self._blocks:
            if block.is_free_for(size):
                return block
        available = free_shared_memory()
        if len(self._blocks) == MOST_BLOCKS or (available is not None and available < RESERVE + size):
            return None
        self._blocks.append(_Block(self._worker, self._made, size))
        self._made += 1
        return self._blocks[-1]


class _Batch(dict[str, Any]):
    """A batch in a worker; behind the loader's queue it is a ``dict`` of tensors in the same memory."""

    def __init__(self, block: _Block, layout: Layout, rest: dict[str, Any]) -> None:
        super().__init__(tensors_in(block.content(), layout) | rest)
        self._block, self._layout, self._rest = block, layout, rest
        self._made = dict(self)
        self._sent = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies are plain, and so is what goes elsewhere than through a queue between processes."""
        return dict, (dict(self),)

    def hand_over(self) -> tuple[Any, ...]:
        """How it is pickled for another process: as its block, once, unless somebody has changed it."""
        if self._sent or not self._is_as_made():
            return dict, (dict(self),)
        self._sent = True
        return receive, (*self._block.hand_over(), self._layout, self._rest)

    def _is_as_made(self) -> bool:
        return (
            self.keys() == self._made.keys()
            and all(self[key] is made for key, made in self._made.items())
            and all(
                self[key].shape == shape and self[key].is_contiguous()
                for key, (_, shape, _) in self._layout.items()
            )
        )


ForkingPickler.register(_Batch, _Batch.hand_over)
_mine = _Blocks()


def collate(samples: Sequence[Sample], *, collate_fn_map: Any = None) -> dict[str, Any]:
    """Puts samples into a batch, as ``default_collate`` does; in a worker in memory that is used again.

    Args:
        samples: as any that PyTorch can collate.
        collate_fn_map: PyTorch passes it; it is not looked at.

    Returns:
        Tensors stacked, all else as PyTorch collates it.
    """
    names = [key for key, value in samples[0].items() if isinstance(value, torch.Tensor)]
    stacks = {key: [sample[key] for sample in samples] for key in names}
    block = None
    if get_worker_info() is not None and all(_are_alike(stack) for stack in stacks.values()):
        layout, size = _lay_out(stacks)
        block = _mine.take(size)
    if block is None:
        return default_collate([dict(sample) for sample in samples])
    others = [key for key in samples[0] if key not in stacks]
    rest = {key: default_collate([sample[key] for sample in samples]) for key in others}
    batch = _Batch(block, layout, rest)
    for key, stack in stacks.items():
        torch.stack(stack, out=batch[key])
    return batch


default_collate_fn_map[Sample] = collate


def _are_alike(stack: list[torch.Tensor]) -> bool:
    """Whether tensors can be stacked bit for bit, and are not empty; PyTorch sees to the others."""
    first = stack[0]
    return first.numel() > 0 and all(
        tensor.shape == first.shape and tensor.dtype == first.dtype and tensor.layout == torch.strided
        for tensor in stack
    )


def _lay_out(stacks: dict[str, list[torch.Tensor]]) -> tuple[Layout, int]:
    """Where each tensor goes, and how many bytes they take."""
    layout: Layout = {}
    size = 0
    for key, stack in stacks.items():
        layout[key] = (size, (len(stack), *stack[0].shape), stack[0].dtype)
        size += -(-len(stack) * stack[0].nbytes // ALIGNMENT) * ALIGNMENT
    return layout, size
