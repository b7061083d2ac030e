"""Many pieces of memory that all processes of a data loader read without a copy of their own."""

from __future__ import annotations

import os

import numpy as np
import torch

from cclgan_plugin.errors import DataError

# Pieces share a block: each block is an open file.
_BLOCK = 64 << 20
#: Shared memory that stays free in bytes: a loader's workers send their batches through it.
RESERVE = 256 << 20
_SHARED = '/dev/shm'


class SharedBytes:
    """A list of byte strings in shared memory, for workers that are forked and for those that are spawned.

    Append everything before the first worker starts. The memory is given back when the last process
    that holds it ends, however it ends.
    """

    def __init__(self) -> None:
        self._blocks: list[torch.Tensor] = []
        self._places: list[tuple[int, int, int] | None] = []
        self._open: list[np.ndarray] = []
        self._open_size = 0

    def append(self, piece: np.ndarray | None) -> None:
        """Adds a piece.

        Args:
            piece: uint8 ``(n,)``; None leaves a gap.

        Raises:
            DataError: there is not enough shared memory.
        """
        if piece is None:
            self._places.append(None)
            return
        start = self._open_size
        self._places.append((len(self._blocks), start, start + len(piece)))
        self._open.append(piece)
        self._open_size += len(piece)
        if self._open_size >= _BLOCK:
            self.close()

    def close(self) -> None:
        """Ends the appending; what came in is shared from now on.

        Raises:
            DataError: there is not enough shared memory.
        """
        if self._open:
            # Using more of it than there is would kill the process without a word.
            free = free_shared_memory()
            if free is not None and self._open_size > free - RESERVE:
                raise DataError(
                    f'{len(self._places)} images fill {self.size / 1e9:.1f} GB and no more shared memory '
                    f'is free ({_SHARED}: {free / 1e9:.1f} GB)'
                )
            self._blocks.append(torch.from_numpy(np.concatenate(self._open)).share_memory_())
            self._open, self._open_size = [], 0

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> np.ndarray | None:
        """A piece as a view ``(n,)`` of the shared memory, not to be written to; None = a gap."""
        place = self._places[index]
        if place is None:
            return None
        block, start, end = place
        return self._blocks[block].numpy()[start:end]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(end - start for _, start, end in filter(None, self._places))


def free_shared_memory() -> int | None:
    """In bytes; None = the system keeps no account of it."""
    if not os.path.isdir(_SHARED):
        return None
    status = os.statvfs(_SHARED)
    return status.f_bavail * status.f_frsize
