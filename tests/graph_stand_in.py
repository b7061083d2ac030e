"""Stands in for CUDA graphs where there is no card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves


class Recorded:
    """Runs the function anew where a graph would be replayed, into the objects that were returned first.

    Args:
        stale: it does not, and returns what it returned first.
    """

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Tensor], stale: bool) -> None:
        self.function = function
        self.stale = stale
        self.inputs = [x.clone() for x in inputs]
        self.result: Any = None
        self.replays = 0

    def replay(self, inputs: Sequence[Tensor]) -> Any:
        self.replays += 1
        if self.stale and self.result is not None:
            return self.result
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        found = self.function(*self.inputs)
        if self.result is None:
            self.result = found
        else:
            vars(self.result).update(vars(found))
        return self.result

    def destroy(self) -> None:
        """As the next replay does with what this one has returned."""
        if self.result is not None:
            for leaf in tree_leaves(vars(self.result)):
                if isinstance(leaf, Tensor):
                    leaf.data.fill_(float('nan'))


class Stage:
    """Stands in for a card's stream and memory."""

    def __init__(self, stale: bool = False) -> None:
        self.stale = stale
        self.recorded: list[Recorded] = []

    def run(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Any:
        return function(*inputs)

    def record(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Recorded:
        self.recorded.append(Recorded(function, inputs, self.stale))
        return self.recorded[-1]
