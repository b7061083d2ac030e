"""Which maps are kept from one pass to the next, and where."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field

from cclgan_plugin.inference.exact.stores import DiskStore, MemoryStore, Store
from cclgan_plugin.inference.exact.trace import Operation

#: Rough speed of a CPU core in convolutions, and of a disk: they decide what is cheaper, not what is right.
FLOPS_PER_SECOND = 4e10
DISK_BYTES_PER_SECOND = 4e8


@dataclass
class Keeper:
    """Keeps maps within a budget.

    Attributes:
        budget: bytes of main memory for all maps together.
        axis: of the bands.
        folder: for temporary files; None = the system's.
        stores: the maps, by operation.
    """

    budget: int
    axis: int
    folder: str | None = None
    stores: dict[int, Store] = field(default_factory=dict)

    def place(self, op: Operation, flops: float, uses: int, must: bool) -> Store | None:
        """Somewhere for the result of an operation, or None where computing it again is better.

        Args:
            op: the operation.
            flops: for computing it again once.
            uses: how often it would be computed again.
            must: keep it in any case.
        """
        if op.bytes <= self.budget - self.in_memory:
            return self._remember(op, MemoryStore(op.shape, op.dtype, self.axis))
        again, disk = flops * uses / FLOPS_PER_SECOND, op.bytes * (1 + uses) / DISK_BYTES_PER_SECOND
        room = shutil.disk_usage(self.folder or tempfile.gettempdir()).free - (1 << 28)
        if must or (again > disk and op.bytes < room):
            return self._remember(op, DiskStore(op.shape, op.dtype, self.axis, self.folder))
        return None

    def _remember(self, op: Operation, store: Store) -> Store:
        self.stores[op.index] = store
        return store

    @property
    def in_memory(self) -> int:
        """Bytes of main memory that the maps take now."""
        return sum(store.in_memory for store in self.stores.values())

    def keep_only(self, wanted: set[int]) -> None:
        """Let go of all other maps."""
        for index in [index for index in self.stores if index not in wanted]:
            self.stores.pop(index).close()

    def close(self) -> None:
        """Let go of everything."""
        self.keep_only(set())
