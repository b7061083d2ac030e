"""What must be computed for a band of one operation, from the maps that are kept."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from cclgan_plugin.inference.exact.rules import Range, rule_for
from cclgan_plugin.inference.exact.statistics import is_stored_norm, norm_of
from cclgan_plugin.inference.exact.trace import Operation


@dataclass(frozen=True)
class Route:
    """The way from kept maps to one operation.

    Attributes:
        target: the operation.
        operations: all spatial operations on the way, kept ones and the target included, in order.
        last_use: the last operation that reads each of them.
    """

    target: Operation
    operations: tuple[Operation, ...]
    last_use: dict[int, int]


def route_to(operations: Sequence[Operation], target: Operation, kept: Container[int]) -> Route:
    """Walk back from an operation until only kept ones are left."""
    found: set[int] = set()
    waiting = [target.index]
    while waiting:
        index = waiting.pop()
        if index in found:
            continue
        found.add(index)
        if index not in kept:
            waiting += [i for i in operations[index].inputs if operations[i].spatial]
    way = tuple(operations[i] for i in sorted(found))
    last_use = {}
    for op in way:
        if op.index not in kept:
            last_use.update({i: op.index for i in op.inputs if operations[i].spatial})
    return Route(target, way, last_use)


def ranges(
    route: Route, operations: Sequence[Operation], start: int, stop: int, kept: Container[int], axis: int
) -> dict[int, Range]:
    """The band of each operation of the route that a band of the target needs."""
    needed = {route.target.index: (start, stop)}
    for op in reversed(route.operations):
        if op.function is None or op.index in kept:
            continue
        low, high = needed[op.index]
        rule = None if norm_of(op) or is_stored_norm(op) else rule_for(op)
        for i in op.inputs:
            if not operations[i].spatial:
                continue
            wanted = rule.needs(op, low, high, operations[i].shape[axis], axis) if rule else (low, high)
            a, b = needed.get(i, wanted)
            needed[i] = min(a, wanted[0]), max(b, wanted[1])
    return needed


def peak_bytes(
    route: Route, operations: Sequence[Operation], start: int, stop: int, kept: Container[int], axis: int
) -> int:
    """Memory for computing a band, beside the kept maps: the most that is alive at once.

    A convolution is counted with a padded copy of its input and a copy of its result in another layout.
    """
    needed = ranges(route, operations, start, stop, kept, axis)

    def size(op: Operation) -> int:
        low, high = needed[op.index]
        return op.bytes // op.shape[axis] * (high - low)

    alive: dict[int, int] = {}
    peak = 0
    for op in route.operations:
        inputs = sum(alive[i] for i in op.inputs if i in alive)
        alive[op.index] = size(op)
        extra = inputs + alive[op.index] if op.name == 'convolution' else inputs
        peak = max(peak, sum(alive.values()) + extra)
        for i in [
            i for i in alive if route.last_use.get(i, route.target.index) <= op.index and i != op.index
        ]:
            if i != route.target.index:
                del alive[i]
    return peak


def alive_bytes(operations: Sequence[Operation]) -> int:
    """The most that is alive at once where all is computed in one piece, whatever the operations are."""
    place: dict[int, int] = {}  # the operation whose memory a result lies in
    last_use: dict[int, int] = {}
    for op in operations:
        place[op.index] = place[op.inputs[0]] if op.is_view and op.inputs else op.index
        last_use |= dict.fromkeys((place[i] for i in op.inputs), op.index)
    alive: dict[int, int] = {}
    peak = 0
    for op in operations:
        if place[op.index] == op.index:
            alive[op.index] = op.bytes
        peak = max(peak, sum(alive.values()))
        alive = {i: size for i, size in alive.items() if last_use.get(i, len(operations)) > op.index}
    return peak


def work(route: Route, kept: Container[int]) -> float:
    """Floating-point operations for the whole target, beginning at the kept maps."""
    total = 0.0
    for op in route.operations:
        if op.function is None or op.index in kept:
            continue
        pixels = op.bytes / op.dtype.itemsize
        if op.name == 'convolution':
            weight = op.args[1].shape
            transposed = op.args[6]
            per_pixel = 2.0 * weight[1] * weight[2] * weight[3] if not transposed else 2.0 * weight[0] * 2.25
            total += per_pixel * pixels
        else:
            # Bound by memory, not by arithmetic.
            total += 20.0 * pixels
    return total
