"""A network applied to an image in bands, with the statistics of the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cclgan_plugin.errors import UserError
from cclgan_plugin.inference.exact.keeping import Keeper
from cclgan_plugin.inference.exact.needs import Route, alive_bytes, peak_bytes, ranges, route_to, work
from cclgan_plugin.inference.exact.rules import Piece, rule_for
from cclgan_plugin.inference.exact.statistics import (
    Moments,
    apply_norm,
    apply_stored_norm,
    is_stored_norm,
    norm_of,
    reduction,
    scale_and_shift,
)
from cclgan_plugin.inference.exact.stores import MemoryStore, PixelStore, Store
from cclgan_plugin.inference.exact.trace import Operation, TileError, put_in, reduces, trace
from cclgan_plugin.inference.memory import budget as room


class MemoryLimitError(UserError):
    """An image cannot be processed within the memory that was allowed."""


_Image = TypeVar('_Image', Tensor, np.ndarray)


def whole_image_bytes(
    network: nn.Module, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype
) -> int:
    """An estimate of the memory that ``network(image)`` takes, beside the image itself."""
    operations = trace(network, shape, device, dtype)
    kept = {0}
    route = route_to(operations, operations[-1], kept)
    try:
        peak = peak_bytes(route, operations, 0, shape[2], kept, 2)
    except TileError:
        peak = 0
    # Convolutions need working memory of their own.
    return int(1.5 * max(peak, alive_bytes(operations)))


def run_in_bands(
    network: nn.Module,
    image: _Image,
    budget: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    folder: str | None = None,
    band: int | None = None,
) -> _Image:
    """``network(image)`` in bands.

    Args:
        network: maps ``(1, 3, H, W)`` in [0, 1] to the same.
        image: ``(1, 3, H, W)`` float32 in main memory, or pixels ``(H, W, 3)`` of uint8 or uint16, of which
            never more than a band becomes floats.
        budget: bytes to use beside the image and the result: for kept maps and for computing a band.
        dtype: what autocast works in; float32 for none.
        device: of the network; by default the CPU.
        folder: for temporary files.
        band: rows of a band, for tests; by default as many as the budget allows.

    Returns:
        What came in: ``(1, 3, H, W)`` float32 in main memory, or pixels of the same type.

    Raises:
        TileError: the network holds an operation that cannot be done in bands.
        MemoryLimitError: not even the thinnest bands fit into the budget.
    """
    shape = (1, 3, *image.shape[:2]) if isinstance(image, np.ndarray) else tuple(image.shape)
    # Bands across the longer side have the shorter rows.
    axis = 2 if shape[2] >= shape[3] else 3
    device = device or torch.device('cpu')
    operations = trace(network, shape, device, dtype)
    # Maps are kept in main memory, whatever the device that computes.
    main = budget if device.type == 'cpu' else room(None, torch.device('cpu'))
    keeper = Keeper(main * 2 // 3, axis, folder)
    keeper.stores[0], result = _stores(image, axis, operations[-1].shape)
    run = _Run(operations, keeper, device, budget // 3, band, axis)
    with torch.inference_mode():
        try:
            run.all(result)
            return result.values
        finally:
            keeper.close()


class _Run:
    def __init__(
        self,
        operations: list[Operation],
        keeper: Keeper,
        device: torch.device,
        working: int,
        band: int | None,
        axis: int,
    ) -> None:
        self.operations, self.keeper, self.device = operations, keeper, device
        self.working, self.band, self.axis = working, band, axis
        #: Results that are not spatial, and for each norm what it subtracts and multiplies.
        self.small: dict[int, Any] = {}
        self.consumers = _consumers(operations)
        self.passes = [op for op in operations if self._gathers(op) or self._forks(op)]

    def _gathers(self, op: Operation) -> bool:
        """Whether a pass for the statistics of a whole map is needed before ``op``.

        Raises:
            TileError: it makes something else of a whole map than its mean, sum or variance.
        """
        if op.spatial:
            return norm_of(op) is not None
        if not any(self.operations[i].spatial for i in op.inputs):
            return False
        if not reduces(op.function, op.args):
            raise TileError(
                f'exact tiles do not know the operation "{op.name}" of the network over a whole map'
            )
        return True

    def _forks(self, op: Operation) -> bool:
        return op.spatial and len(self.consumers[op.index]) > 1 and op.function is not None

    def all(self, result: Store) -> None:
        """All passes; the last one fills ``result``."""
        for number, op in enumerate(self.passes):
            if self._gathers(op):
                self._gather(op)
            if self._forks(op):
                self._keep(op, number)
            self._forget(number + 1)
        for start, _, values in self._bands(self.operations[-1]):
            result.write(start, values)

    def _gather(self, op: Operation) -> None:
        """A pass for the statistics of the map that ``op`` reads, which is kept if that pays."""
        (source,) = (self.operations[i] for i in op.inputs if self.operations[i].spatial)
        moments, store = Moments(), None
        if source.index not in self.keeper.stores:
            route = self._route(source)
            store = self.keeper.place(source, work(route, self.keeper.stores), 2, must=False)
        for start, _, values in self._bands(source, fresh=store is not None):
            moments.add(values)
            if store is not None:
                store.write(start, values)
        norm = norm_of(op)
        self.small[op.index] = scale_and_shift(norm, moments) if norm else reduction(op, moments)

    def _keep(self, op: Operation, number: int) -> None:
        """A pass that keeps a map that several operations read, if that pays or lets go of others."""
        if op.index in self.keeper.stores:
            return
        route = self._route(op)
        read = [i for i in self._reached(number + 1, {}) if i in self.keeper.stores]
        after = self._reached(number + 1, {op.index: None})
        freed = sum(self.operations[i].bytes for i in read if i not in after and i != 0)
        must = freed >= op.bytes
        store = self.keeper.place(op, work(route, self.keeper.stores), 2, must)
        if store is None:
            return
        for start, _, values in self._bands(op, fresh=True):
            store.write(start, values)

    def _forget(self, number: int) -> None:
        self.keeper.keep_only(self._reached(number, {}))

    def _reached(self, number: int, also: dict[int, None]) -> set[int]:
        """The kept maps that the passes from ``number`` on read, if ``also`` were kept too."""
        kept = self.keeper.stores.keys() | also.keys()
        reached: set[int] = set()
        for target in [*self.passes[number:], self.operations[-1]]:
            reached |= {op.index for op in route_to(self.operations, target, kept).operations} & kept
        return reached

    def _route(self, target: Operation) -> Route:
        return route_to(self.operations, target, self.keeper.stores)

    def _bands(self, target: Operation, fresh: bool = False) -> Any:
        """Compute ``target`` band by band.

        Args:
            target: what to compute.
            fresh: its store is being filled, and cannot be read yet.
        """
        kept = self.keeper.stores.keys() - ({target.index} if fresh else set())
        route = route_to(self.operations, target, kept)
        length = target.shape[self.axis]
        step = self.band or self._band_length(route, kept)
        for start in range(0, length, step):
            stop = min(length, start + step)
            yield start, stop, self._compute(route, start, stop, kept)

    def _band_length(self, route: Route, kept: Any) -> int:
        length = route.target.shape[self.axis]
        step = length
        while True:
            start = min(length // 2, length - min(step, length))
            peak = peak_bytes(route, self.operations, start, min(length, start + step), kept, self.axis)
            if peak <= self.working:
                return step
            if step == 1:
                raise MemoryLimitError(
                    f'an image whose shorter side has {min(self.operations[0].shape[2:])} pixels needs about '
                    f'{3 * peak / 2**20:.0f} MiB of working memory with this network, '
                    f'{3 * self.working / 2**20:.0f} MiB are left of the limit; raise --memory'
                )
            step = max(1, step // 2)

    def _compute(self, route: Route, start: int, stop: int, kept: Any) -> Tensor:
        needed = ranges(route, self.operations, start, stop, kept, self.axis)
        values: dict[int, Tensor] = {}
        for op in route.operations:
            if op.index in kept:
                values[op.index] = self.keeper.stores[op.index].read(*needed[op.index]).to(self.device)
            else:
                values[op.index] = self._one(op, needed, values)
            for i in [i for i in values if route.last_use.get(i, op.index + 1) <= op.index]:
                if i != route.target.index:
                    del values[i]
        return values[route.target.index]

    def _one(self, op: Operation, needed: dict[int, tuple[int, int]], values: dict[int, Tensor]) -> Tensor:
        start, stop = needed[op.index]
        results: dict[int, Any] = {}
        for i in op.inputs:
            if self.operations[i].spatial:
                results[i] = Piece(values[i], needed[i][0], self.operations[i].shape[self.axis])
            else:
                results[i] = self._small(self.operations[i])
        norm = norm_of(op)
        if norm is not None:
            return apply_norm(norm, self.small[op.index], _only(results).cut(start, stop, self.axis))
        if is_stored_norm(op):
            return apply_stored_norm(op, _only(results).cut(start, stop, self.axis))
        return rule_for(op).compute(op, start, stop, results, self.axis)

    def _small(self, op: Operation) -> Any:
        """A result that is not spatial, from statistics gathered before."""
        if op.index not in self.small:
            if any(self.operations[i].spatial for i in op.inputs) or op.function is None:
                raise TileError(f'exact tiles do not know the operation "{op.name}" of the network')
            inputs = {i: self._small(self.operations[i]) for i in op.inputs}
            self.small[op.index] = op.function(*put_in(op.args, inputs), **put_in(op.kwargs, inputs))
        return self.small[op.index]


def _stores(image: Tensor | np.ndarray, axis: int, shape: tuple[int, ...]) -> tuple[Store, Any]:
    """The image, and an empty one of its kind for the result."""
    if isinstance(image, np.ndarray):
        return PixelStore(image, axis), PixelStore(np.empty(image.shape, image.dtype), axis)
    result = torch.empty(shape, dtype=torch.float32, device='cpu')
    return (
        MemoryStore(tuple(image.shape), image.dtype, axis, image),
        MemoryStore(shape, result.dtype, axis, result),
    )


def _only(results: dict[int, Any]) -> Piece:
    (piece,) = (result for result in results.values() if isinstance(result, Piece))
    return piece


def _consumers(operations: Sequence[Operation]) -> list[set[int]]:
    found: list[set[int]] = [set() for _ in operations]
    for op in operations:
        for i in op.inputs:
            found[i].add(op.index)
    return found
