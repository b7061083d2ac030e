"""Whole maps kept from one pass to the next: in memory, or in a file on the disk."""

from __future__ import annotations

import os
import tempfile
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cclgan_plugin.errors import DataError
from cclgan_plugin.inference.pixels import quantised, scaled


class Store(Protocol):
    """A map ``(1, C, H, W)`` written and read in bands along one axis.

    Attributes:
        in_memory: bytes of main memory that it takes.
    """

    in_memory: int

    def write(self, start: int, band: Tensor) -> None: ...

    def read(self, start: int, stop: int) -> Tensor: ...

    def close(self) -> None: ...


class MemoryStore:
    """In main memory, whatever the device that computes.

    Args:
        shape: ``(1, C, H, W)``.
        dtype: of the map.
        axis: 2 for bands of rows, 3 for bands of columns.
        values: the map, where it is there already.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: torch.dtype, axis: int, values: Tensor | None = None
    ) -> None:
        self.axis = axis
        # The axis comes first, so that a band is one piece of memory.
        self.values = (
            torch.empty(_turned(shape, axis), dtype=dtype, device='cpu').movedim(0, axis)
            if values is None
            else values
        )
        self.in_memory = 0 if values is not None else self.values.numel() * dtype.itemsize

    def write(self, start: int, band: Tensor) -> None:
        self.values.narrow(self.axis, start, band.shape[self.axis]).copy_(band)

    def read(self, start: int, stop: int) -> Tensor:
        return self.values.narrow(self.axis, start, stop - start)

    def close(self) -> None:
        del self.values


class PixelStore:
    """A picture of whole numbers; its bands are read as floats in [0, 1], and rounded when they are written.

    Args:
        values: ``(H, W, 3)``, uint8 or uint16.
        axis: 2 for bands of rows, 3 for bands of columns.
    """

    in_memory = 0

    def __init__(self, values: np.ndarray, axis: int) -> None:
        self.values, self.axis = values, axis

    def write(self, start: int, band: Tensor) -> None:
        values = np.moveaxis(band[0].float().cpu().numpy(), 0, 2)
        self._band(start, start + values.shape[self.axis - 2])[:] = quantised(values, self.values.dtype)

    def read(self, start: int, stop: int) -> Tensor:
        return scaled(self._band(start, stop))[None]

    def close(self) -> None:
        del self.values

    def _band(self, start: int, stop: int) -> np.ndarray:
        return self.values[start:stop] if self.axis == 2 else self.values[:, start:stop]


class DiskStore:
    """In a temporary file, without a name where the system allows that: nothing can be left behind.

    Plain reads and writes: mapped memory would count as the process's own.

    Args:
        shape: ``(1, C, H, W)``.
        dtype: of the map.
        axis: 2 for bands of rows, 3 for bands of columns.
        folder: where the file goes; None = the system's folder for temporary files.

    Raises:
        DataError: the file cannot be made, or the disk is full.
    """

    in_memory = 0

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, axis: int, folder: str | None) -> None:
        self.axis, self.dtype = axis, dtype
        self.row_shape = _turned(shape, axis)[1:]
        self.row_bytes = int(np.prod(self.row_shape)) * dtype.itemsize
        try:
            self.file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise _disk_error(folder, error) from error
        self.folder = folder

    def write(self, start: int, band: Tensor) -> None:
        rows = band.detach().cpu().movedim(self.axis, 0).contiguous()
        data = _bytes_of(rows)
        position = start * self.row_bytes
        try:
            while data:
                written = os.pwrite(self.file.fileno(), data[: 1 << 30], position)
                data, position = data[written:], position + written
        except OSError as error:
            raise _disk_error(self.folder, error) from error

    def read(self, start: int, stop: int) -> Tensor:
        rows = torch.empty((stop - start, *self.row_shape), dtype=self.dtype, device='cpu')
        view = _bytes_of(rows)
        position = start * self.row_bytes
        while view:
            count = os.preadv(self.file.fileno(), [view[: 1 << 30]], position)
            if count <= 0:
                raise DataError('exact tiles: a temporary file became shorter while it was in use')
            view, position = view[count:], position + count
        return rows.movedim(0, self.axis)

    def close(self) -> None:
        self.file.close()


def _bytes_of(rows: Tensor) -> memoryview:
    return memoryview(rows.view(torch.uint8).numpy().reshape(-1).data)


def _turned(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape with the axis of the bands first."""
    return (shape[axis], *shape[:axis], *shape[axis + 1 :])


def _disk_error(folder: str | None, error: OSError) -> DataError:
    return DataError(
        f'exact tiles: {folder or tempfile.gettempdir()}: intermediate results cannot be written there: '
        f'{error.strerror or error}. Make room, set TMPDIR to a larger disk, or raise --memory'
    )
