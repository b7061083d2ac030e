"""Which part of its input an operation needs for a part of its output, and how to compute that part.

A band is a range of rows (axis 2) or of columns (axis 3) of a map ``(N, C, H, W)``, whole along the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cclgan_plugin.inference.exact.trace import Operation, Ref, TileError, put_in

aten = torch.ops.aten
Range = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A band of a map.

    Attributes:
        values: ``(N, C, h, w)``.
        start: the row or column of the map that is its first.
        length: rows or columns of the whole map.
    """

    values: Tensor
    start: int
    length: int

    def cut(self, start: int, stop: int, axis: int) -> Tensor:
        return self.values.narrow(axis, start - self.start, stop - start)


@dataclass(frozen=True)
class Rule:
    """How an operation behaves along the axis.

    Attributes:
        needs: ``(operation, start, stop, length of the input, axis)`` to the range of every spatial input.
        compute: ``(operation, start, stop, results, axis)`` to the band; ``results`` are a :class:`Piece` for
            each spatial input, which covers at least what ``needs`` said, and tensors for the others.
    """

    needs: Callable[[Operation, int, int, int, int], Range]
    compute: Callable[[Operation, int, int, dict[int, Any], int], Tensor]


def rule_for(operation: Operation) -> Rule:
    """The rule of an operation.

    Raises:
        TileError: it has none.
    """
    rule = _RULES.get(operation.name)
    if rule is None and torch.Tag.pointwise in getattr(operation.function, 'tags', ()):
        rule = _POINTWISE
    if rule is None:
        raise TileError(f'exact tiles do not know the operation "{operation.name}" of the network')
    return rule


def _same(op: Operation, start: int, stop: int, length: int, axis: int) -> Range:
    return start, stop


def _function(op: Operation) -> Any:
    """The operator; that of an operation in place writes into a result of its own instead."""
    schema = op.function._schema  # type: ignore[union-attr]
    if not schema.name.endswith('_') or schema.name.endswith('__'):
        return op.function
    return getattr(getattr(aten, op.name), schema.overload_name or 'default')


def _elementwise(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    values = {}
    for index, result in results.items():
        if isinstance(result, Piece):
            if result.length != op.shape[axis]:
                raise TileError(f'exact tiles: "{op.name}" of the network spreads one row over many')
            result = result.cut(start, stop, axis)
        values[index] = result
    for constant in _constants(op.args):
        if constant.ndim >= 4 - axis and constant.shape[axis - 4] != 1:
            raise TileError(f'exact tiles: "{op.name}" of the network takes a map of constants')
    return _function(op)(*put_in(op.args, values), **op.kwargs)


def _constants(args: tuple[Any, ...]) -> list[Tensor]:
    return [value for value in args if isinstance(value, Tensor)]


def _expand(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    (piece,) = results.values()
    size = [-1 if i == axis else side for i, side in enumerate(op.shape)]
    return piece.cut(start, stop, axis).expand(size)


def _view(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    (piece,) = results.values()
    band = piece.cut(start, stop, axis)
    if any(a != b for i, (a, b) in enumerate(zip(band.shape, op.shape, strict=True)) if i != axis):
        raise TileError('exact tiles: the network reshapes a map')
    return band


def _across_channels(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    """A sum, mean, slice, ... that leaves height and width alone."""
    dims = op.args[1] if len(op.args) > 1 else 0
    dims = [dims] if isinstance(dims, int) else dims
    if not dims or any(d % 4 > 1 for d in dims):
        raise TileError(f'exact tiles: "{op.name}" of the network mixes rows')
    values = {i: r.cut(start, stop, axis) if isinstance(r, Piece) else r for i, r in results.items()}
    return op.function(*put_in(op.args, values), **op.kwargs)  # type: ignore[misc]


# -- convolution ---------------------------------------------------------------------------------------------


def _conv_needs(op: Operation, start: int, stop: int, length: int, axis: int) -> Range:
    kernel, stride, pad, dilation, transposed = _conv_numbers(op, axis)
    reach = (kernel - 1) * dilation
    if transposed:
        low, high = -(-(start + pad - reach) // stride), (stop - 1 + pad) // stride + 1
    else:
        low, high = start * stride - pad, (stop - 1) * stride - pad + reach + 1
    return max(0, min(low, length - 1)), min(length, max(high, 1))


def _conv(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    kernel, stride, pad, dilation, transposed = _conv_numbers(op, axis)
    piece: Piece = results[op.args[0].index]
    _, weight, bias, strides, pads, dilations, _, out_pads, groups = op.args
    pads, out_pads = list(pads), list(out_pads)
    low, high = _conv_needs(op, start, stop, piece.length, axis)
    x = piece.cut(low, high, axis)
    pads[axis - 2] = 0
    if not transposed:
        first = start * stride - pad
        last = (stop - 1) * stride - pad + (kernel - 1) * dilation + 1
        x = _pad_zero(x, low - first, last - high, axis)
        return aten.convolution(x, weight, bias, strides, pads, dilations, False, [0, 0], groups)
    made = (high - low - 1) * stride + (kernel - 1) * dilation + 1
    offset = start - (low * stride - pad)
    out_pads[axis - 2] = max(0, offset + (stop - start) - made)
    y = aten.convolution(x, weight, bias, strides, pads, dilations, True, out_pads, groups)
    return y.narrow(axis, offset, stop - start)


def _conv_numbers(op: Operation, axis: int) -> tuple[int, int, int, int, bool]:
    """Kernel, stride, padding and dilation along the axis, and whether it is transposed."""
    i = axis - 2
    _, weight, _, stride, padding, dilation, transposed, *_ = op.args
    return weight.shape[axis], stride[i], padding[i], dilation[i], transposed


def _pad_zero(x: Tensor, before: int, after: int, axis: int, value: float = 0.0) -> Tensor:
    if not before and not after:
        return x
    return F.pad(x, (0, 0, before, after) if axis == 2 else (before, after, 0, 0), value=value)


# -- padding -------------------------------------------------------------------------------------------------


def _pads(op: Operation, axis: int) -> tuple[int, int]:
    amounts = [*op.args[1], 0, 0, 0, 0]
    return (amounts[2], amounts[3]) if axis == 2 else (amounts[0], amounts[1])


def _mirror(op: Operation, index: int, length: int) -> int:
    """The row that stands at ``index``, outside of the map, too."""
    if op.name.startswith('replication'):
        return min(max(index, 0), length - 1)
    index = abs(index)
    return index if index < length else 2 * (length - 1) - index


def _edge_needs(op: Operation, start: int, stop: int, length: int, axis: int) -> Range:
    before, _ = _pads(op, axis)
    rows = [
        _mirror(op, i - before, length)
        for i in _turning_points(start - before, stop - before, length, before)
    ]
    return min(rows), max(rows) + 1


def _turning_points(start: int, stop: int, length: int, before: int) -> list[int]:
    """The ends of a range, and where it leaves the map: between them, rows follow each other."""
    return [i + before for i in {start, stop - 1, 0, length - 1} if start <= i < stop]


def _edge_pad(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    (piece,) = results.values()
    before, _ = _pads(op, axis)
    low, high = start - before, stop - before
    if low >= 0 and high <= piece.length:
        x = piece.cut(low, high, axis)
    else:
        rows = [_mirror(op, i, piece.length) - piece.start for i in range(low, high)]
        x = piece.values.index_select(axis, torch.tensor(rows, device=piece.values.device))
    amounts = list(op.args[1])
    amounts[slice(2, 4) if axis == 2 else slice(0, 2)] = [0, 0]
    return op.function(x, amounts) if any(amounts) else x  # type: ignore[misc]


def _constant_needs(op: Operation, start: int, stop: int, length: int, axis: int) -> Range:
    before, _ = _pads(op, axis)
    low = max(0, min(start - before, length - 1))
    return low, max(low + 1, min(length, stop - before))


def _constant_pad(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    (piece,) = results.values()
    before, _ = _pads(op, axis)
    low, high = max(0, start - before), min(piece.length, stop - before)
    value = op.args[2] if len(op.args) > 2 else 0.0
    if low >= high:
        size = [stop - start if i == axis else side for i, side in enumerate(op.shape)]
        return piece.values.new_full(size, value)
    x = _pad_zero(piece.cut(low, high, axis), low - (start - before), stop - before - high, axis, value)
    amounts = list(op.args[1])
    amounts[slice(2, 4) if axis == 2 else slice(0, 2)] = [0, 0][
        : len(amounts[2:4] if axis == 2 else amounts[:2])
    ]
    return F.pad(x, amounts, value=value)


# -- resizing and cropping -----------------------------------------------------------------------------------


def _factor(op: Operation, length: int, axis: int) -> int:
    factor, rest = divmod(op.shape[axis], length)
    if rest:
        raise TileError(f'exact tiles: "{op.name}" of the network by a factor that is no whole number')
    return factor


def _nearest_needs(op: Operation, start: int, stop: int, length: int, axis: int) -> Range:
    factor = _factor(op, length, axis)
    return start // factor, (stop - 1) // factor + 1


def _bilinear_needs(op: Operation, start: int, stop: int, length: int, axis: int) -> Range:
    if op.args[2]:
        raise TileError('exact tiles: bilinear resizing with align_corners')
    factor = _factor(op, length, axis)
    # Row i lies at (i + 1/2) / factor - 1/2 of the input, between two rows.
    low, high = (2 * start + 1 - factor) // (2 * factor), (2 * stop - 1 - factor) // (2 * factor) + 2
    return max(0, low), min(length, high)


def _resize(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    (piece,) = results.values()
    bilinear = op.name == 'upsample_bilinear2d'
    low, high = (_bilinear_needs if bilinear else _nearest_needs)(op, start, stop, piece.length, axis)
    factor = _factor(op, piece.length, axis)
    size = list(op.shape[2:])
    size[axis - 2] = (high - low) * factor
    # Of the edges of the band only those of the map are reached: the range was chosen so.
    y = op.function(piece.cut(low, high, axis), size, *op.args[2:], **op.kwargs)  # type: ignore[misc]
    return y.narrow(axis, start - low * factor, stop - start)


def _slice_numbers(op: Operation, axis: int) -> int | None:
    """Where a crop along the axis begins; None for one along another axis."""
    dim = op.args[1] if len(op.args) > 1 else 0
    if len(op.args) > 4 and op.args[4] != 1:
        raise TileError('exact tiles: a slice with steps')
    return None if dim % 4 != axis else op.args[2] or 0


def _slice_needs(op: Operation, start: int, stop: int, length: int, axis: int) -> Range:
    first = _slice_numbers(op, axis)
    if first is None:
        return start, stop
    first = max(0, first + length if first < 0 else first)
    return start + first, stop + first


def _slice(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    (piece,) = results.values()
    x = piece.cut(*_slice_needs(op, start, stop, piece.length, axis), axis)
    if _slice_numbers(op, axis) is not None:
        return x
    return op.function(x, *op.args[1:])  # type: ignore[misc]


def _cat(op: Operation, start: int, stop: int, results: dict[int, Any], axis: int) -> Tensor:
    if (op.args[1] if len(op.args) > 1 else 0) % 4 > 1:
        raise TileError('exact tiles: the network puts maps side by side')
    return torch.cat(
        [results[ref.index].cut(start, stop, axis) for ref in op.args[0] if isinstance(ref, Ref)], 1
    )


_POINTWISE = Rule(_same, _elementwise)
_CHANNELS = Rule(_same, _across_channels)
_RULES = {
    'convolution': Rule(_conv_needs, _conv),
    'reflection_pad2d': Rule(_edge_needs, _edge_pad),
    'replication_pad2d': Rule(_edge_needs, _edge_pad),
    'constant_pad_nd': Rule(_constant_needs, _constant_pad),
    'upsample_bilinear2d': Rule(_bilinear_needs, _resize),
    'upsample_nearest2d': Rule(_nearest_needs, _resize),
    'slice': Rule(_slice_needs, _slice),
    'expand': Rule(_same, _expand),
    'cat': Rule(_same, _cat),
    'mean': _CHANNELS,
    'sum': _CHANNELS,
    'amax': _CHANNELS,
    'view': Rule(_same, _view),
    'leaky_relu': _POINTWISE,  # which PyTorch 2.10 does not call so
    '_to_copy': _POINTWISE,
    'clone': _POINTWISE,
    'detach': _POINTWISE,
    'alias': _POINTWISE,
}
