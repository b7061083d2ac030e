"""How a step tells those who measure it where it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor

#: Parts of a step, in order. The oracle translates inside its losses. Optimizers are timed but not counted.
PARTS = (
    'locations',
    'translate',
    'D losses',
    'D backward',
    'D optimizers',
    'G losses',
    'G backward',
    'G optimizers',
)


class Observer:
    """Someone who measures a step; this one sees nothing."""

    def part(self, name: str) -> AbstractContextManager[object]:
        """The context in which the part ``name`` (out of :data:`PARTS`) runs."""
        return nullcontext()

    def losses(self, name: str, losses: Mapping[str, Tensor]) -> None:
        """The losses of ``D`` or ``G``, before their backward pass."""


UNOBSERVED = Observer()
