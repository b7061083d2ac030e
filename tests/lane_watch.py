"""Follows the memory of a step as if its lanes were streams of a card, on the CPU.

Two things go wrong silently on a card. A stream reads what another one has not written yet. Or memory is
given back while another stream still reads it, and is handed out anew to the stream that it came from. Both
show in the order of events: who has waited for whom. What autograd does between its nodes is taken from
PyTorch's documentation: a node runs on the stream of its forward pass, waits for whoever made its gradients,
and tells the allocator that it reads them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Clock = dict[str, int]

HOME = 'home'
#: Between nodes of a backward pass, where gradients of several are added up.
BETWEEN = 'between'


def merge(into: Clock, other: Clock) -> None:
    for lane, time in other.items():
        into[lane] = max(into.get(lane, 0), time)


class Block:
    """Memory: which lane it was handed out to, who has read it when, and what its writer had waited for."""

    def __init__(self, tensor: Tensor, lane: str, clock: Clock) -> None:
        self.alive = StorageWeakRef(tensor.untyped_storage())
        self.lane = lane
        self.written = clock
        self.reads: Clock = {}
        self.name = f'{tuple(tensor.shape)}'


class LaneWatch(TorchDispatchMode):
    """Sees every operation.

    Attributes:
        hazards: what would go wrong, in words.
        lanes: those that have done something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lane = HOME
        self.hazards: list[str] = []
        self._clocks: dict[str, Clock] = defaultdict(dict)
        self._blocks: dict[int, Block] = {}
        self._given_back: dict[str, list[Block]] = defaultdict(list)
        self._ranges: list[tuple[int, int, str]] = []

    @property
    def lanes(self) -> set[str]:
        return set(self._clocks) - {BETWEEN}

    # ------------------------------------------------------------------ operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        known = {id(b): b for t in inputs if (b := self._blocks.get(t.untyped_storage()._cdata))}
        self._notice_what_died()
        clock = self._clocks[self.lane]
        if self.lane == BETWEEN:
            for block in known.values():
                merge(clock, block.written)
        clock[self.lane] = clock.get(self.lane, 0) + 1
        for block in known.values():
            self._read(block, clock, func)
        self._hand_out(clock, func)
        result = func(*args, **kwargs)
        written = [t for t in tree_leaves(result) if isinstance(t, Tensor)]
        written += self._changed(func, args, kwargs)
        for tensor in written:
            key = tensor.untyped_storage()._cdata
            if key not in self._blocks or not self._is_view(func):
                block = self._blocks.get(key)
                if block is None:
                    self._blocks[key] = Block(tensor, self.lane, dict(clock))
                else:
                    block.written = dict(clock)
        return result

    @staticmethod
    def _is_view(func: Any) -> bool:
        returns = func._schema.returns
        return bool(returns) and all(r.alias_info and not r.alias_info.is_write for r in returns)

    @staticmethod
    def _changed(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
        found = []
        for position, argument in enumerate(func._schema.arguments):
            if argument.alias_info and argument.alias_info.is_write:
                value = args[position] if position < len(args) else kwargs.get(argument.name)
                found += [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
        return found

    def _read(self, block: Block, clock: Clock, func: Any) -> None:
        for lane, time in block.written.items():
            if lane != BETWEEN and clock.get(lane, 0) < time:
                self.hazards.append(f'{func} on {self.lane} reads {block.name}, not waiting for {lane}')
                break
        block.reads[self.lane] = clock[self.lane]

    def _notice_what_died(self) -> None:
        for key, block in list(self._blocks.items()):
            if block.alive.expired():
                del self._blocks[key]
                self._given_back[block.lane].append(block)

    def _hand_out(self, clock: Clock, func: Any) -> None:
        """Memory that was given back may be what this operation gets."""
        for block in self._given_back.pop(self.lane, []):
            for lane, time in block.reads.items():
                if lane not in (self.lane, BETWEEN) and clock.get(lane, 0) < time:
                    self.hazards.append(
                        f'{func} on {self.lane} may overwrite {block.name}, which {lane} still reads'
                    )

    # ------------------------------------------------------------------ lanes

    def run(self, *jobs: Callable[[], Any]) -> list[Any]:
        """Stands in for ``Lanes.run``."""
        home = self.lane
        begun = dict(self._clocks[home])
        results = []
        for number, job in enumerate(jobs):
            self.lane = home if number == 0 else f'lane {number}'
            if number:
                merge(self._clocks[self.lane], begun)
            first = sequence_number()
            results.append(job())
            self._ranges.append((first, sequence_number(), self.lane))
        self.lane = home
        for number in range(1, len(jobs)):
            merge(self._clocks[home], self._clocks[f'lane {number}'])
        return results

    # ------------------------------------------------------------------ autograd

    @contextmanager
    def backward_of(self, loss: Tensor) -> Iterator[None]:
        """Around the backward pass of a loss."""
        home = self.lane
        merge(self._clocks[BETWEEN], {})
        handles = []
        nodes = all_nodes(loss)
        of_leaves: dict[Any, str] = {}
        for node in sorted(nodes, key=lambda n: n._sequence_nr()):
            for child, _ in node.next_functions:
                if child is not None and child._sequence_nr() > node._sequence_nr():
                    of_leaves.setdefault(child, self._lane_of(node))
        for node in nodes:
            lane = of_leaves.get(node) or self._lane_of(node)
            handles.append(node.register_prehook(lambda grads, lane=lane: self._enter(lane, grads)))
            handles.append(node.register_hook(lambda *_: self._leave()))
        self._clocks[BETWEEN] = {}
        yield
        for handle in handles:
            handle.remove()
        self.lane = home
        for lane in list(self._clocks):
            if lane != BETWEEN:
                merge(self._clocks[home], self._clocks[lane])

    def _lane_of(self, node: Any) -> str:
        number = node._sequence_nr()
        for first, last, lane in self._ranges:
            if first <= number < last and lane != HOME:
                return lane
        return HOME

    def _enter(self, lane: str, grads: Any) -> None:
        self.lane = lane
        for grad in grads:
            block = grad is not None and self._blocks.get(grad.untyped_storage()._cdata)
            if block:
                merge(self._clocks[lane], {k: v for k, v in block.written.items() if k != BETWEEN})
                if block.lane != lane:
                    block.lane = 'nobody'  # record_stream: not handed out before everybody is through

    def _leave(self) -> None:
        self.lane = BETWEEN
        self._clocks[BETWEEN] = {}


def sequence_number() -> int:
    """Of the next node of a graph."""
    return int((torch.zeros(1, requires_grad=True) * 1).grad_fn._sequence_nr())


def all_nodes(loss: Tensor) -> list[Any]:
    """Of the graph behind a loss."""
    found, queue = {loss.grad_fn}, [loss.grad_fn]
    while queue:
        for child, _ in queue.pop().next_functions:
            if child is not None and child not in found:
                found.add(child)
                queue.append(child)
    return list(found)
