"""Deraining from Python: one object, called with a picture."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cclgan_plugin.errors import DataError, OptionError, UserError, line_of
from cclgan_plugin.inference.exact import run_in_bands, whole_image_bytes
from cclgan_plugin.inference.exact.trace import TileError
from cclgan_plugin.inference.memory import budget, parse_memory
from cclgan_plugin.inference.pixels import is_whole, to_network

_Image = TypeVar('_Image', Tensor, np.ndarray)

_DTYPES = {'float32': torch.float32, 'float16': torch.float16, 'bfloat16': torch.bfloat16}

#: Up to this size an image fits wherever the network does, and nobody needs to look.
_SMALL = 512 * 512


class Derainer:
    """Takes the rain out of pictures.

    Images that do not fit into the memory are processed in bands with the statistics of the whole image: the
    result is the same, to rounding (see :mod:`cclgan_plugin.inference.exact`).

    Args:
        network: maps ``(N, 3, H, W)`` in [0, 1] to the same.
        device: such as ``cpu`` or ``cuda:1``; by default a GPU where there is one.
        dtype: ``float32`` (default), ``float16`` or ``bfloat16`` for convolutions; images stay float32.
        memory: the most to use, such as ``'2G'``: of the whole process on the CPU, of the card on a GPU; by
            default what is free.
        compile: translate the network by ``torch.compile``; pays for many images of one size.

    Raises:
        OptionError: no such device or precision.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        memory: str | int | None = None,
        compile: bool = False,
    ) -> None:
        self.device = find_device(device)
        self.dtype = _find_dtype(dtype, self.device)
        self.memory = None if memory is None else parse_memory(memory)
        self.network = network.to(self.device).eval()
        self._whole: Callable[[Tensor], Tensor] = torch.compile(network) if compile else network
        # By shape: finding it out takes as long as some networks, and the frames of a video are all alike.
        self._needed: dict[tuple[int, int, int], int] = {}
        #: Whether the last image was processed in bands.
        self.used_bands = False

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        memory: str | int | None = None,
        compile: bool = False,
    ) -> Derainer:
        """A derainer with trained weights.

        Args:
            name_or_path: a name of the Model Zoo, ``cclgan://NAME``, a ``.safetensors`` file, or a checkpoint
                of a training; by default the zoo's default, which needs no download.
            device: see the class.
            dtype: see the class.
            memory: see the class.
            compile: see the class.

        Raises:
            WeightsError: there are no such weights, or they are something else.
            OptionError: no such device or precision.
        """
        from cclgan_plugin.inference.built_network import build_network
        from cclgan_plugin.inference.pretrained import find_weights
        from cclgan_plugin.zoo.index import default_name

        # Before anything is downloaded.
        device = find_device(device)
        _find_dtype(dtype, device)
        weights, file = find_weights(default_name() if name_or_path is None else name_or_path)
        return cls(build_network(weights, file), device, dtype, memory, compile)

    def __call__(self, picture: Any) -> Any:
        """Derain a picture.

        Args:
            picture: array ``(H, W[, 1 | 3 | 4])`` of uint8, uint16 or float in [0, 1]; tensor
                ``([N, ]C, H, W)`` of the same types; or PIL image. Any size from 1x1. RGB; alpha passes
                unchanged.

        Returns:
            The same kind, shape and type. PIL images of palettes come back as RGB.

        Raises:
            DataError: the picture is of another kind.
        """
        if isinstance(picture, np.ndarray) and is_whole(picture) and picture.shape[2:] == (3,):
            return self.derain_pixels(picture)
        x, back = to_network(picture)
        return back(self.derain(x))

    def derain_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Derain an array ``(H, W, 3)`` of uint8 or uint16; the same comes back.

        The result is that of a call. Where the picture is processed in bands, it is never there in floats as
        a whole, which would take eight times its memory.

        Args:
            pixels: of any height and width from 1.

        Raises:
            MemoryLimitError: not even thin bands fit into the memory.
            DataError: no such array.
        """
        height, width = pixels.shape[:2]
        self.used_bands = pixels.size > 0 and not self._fits(1, 3, height, width)
        if self.used_bands:
            with self._or_in_one_piece():
                return self._in_bands(pixels)
        x, back = to_network(pixels)
        with torch.inference_mode():
            return back(self._in_one_piece(x))

    def derain(self, images: Tensor) -> Tensor:
        """Derain a batch ``(N, 3, H, W)``, float32 in [0, 1]; the same comes back.

        Args:
            images: of any height and width from 1.

        Raises:
            MemoryLimitError: not even thin bands fit into the memory.
        """
        with torch.inference_mode():
            self.used_bands = not self._fits(*images.shape)
            if self.used_bands and len(images) > 1:
                # Each may fit alone.
                return torch.cat([self.derain(image[None]) for image in images])
            if self.used_bands:
                with self._or_in_one_piece():
                    return self._in_bands(images.cpu()).to(images.device)
            return self._in_one_piece(images)

    @contextlib.contextmanager
    def _or_in_one_piece(self) -> Iterator[None]:
        """Where there are no bands for the network, one piece is tried, unless the user has set a limit."""
        try:
            yield
        except TileError:
            if self.memory is not None:
                raise
            self.used_bands = False

    def _fits(self, n: int, c: int, h: int, w: int) -> bool:
        if self.memory is None and n * h * w <= _SMALL:
            return True
        if (c, h, w) not in self._needed:
            try:
                needed = whole_image_bytes(self.network, (1, c, h, w), self.device, self.dtype)
            except TileError:
                needed = 0  # the network cannot be looked into
            self._needed[c, h, w] = needed
        return n * (self._needed[c, h, w] + 4 * c * h * w) <= budget(self.memory, self.device)

    def _in_one_piece(self, images: Tensor) -> Tensor:
        size = f'{images.shape[3]}x{images.shape[2]} pixels'
        try:
            x = images.to(self.device)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                y: Tensor = self._whole(x).float().to(images.device)
        except UserError:
            raise
        except Exception as error:  # a stranger's network, or a card without room
            raise DataError(
                f'the network fails on {size}: {type(error).__name__}: {line_of(error)}'
            ) from error
        if y.shape != images.shape:
            raise DataError(f'the network makes {y.shape[3]}x{y.shape[2]} pixels of {size}')
        return y

    def _in_bands(self, image: _Image) -> _Image:
        left = budget(self.memory, self.device)
        if self.device.type == 'cpu':
            left -= image.nbytes  # the result
        return run_in_bands(self.network, image, max(0, left), self.dtype, self.device)


def find_device(name: str | torch.device | None) -> torch.device:
    """The device of that name; by default a GPU where there is one.

    Raises:
        OptionError: there is no such device.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device('cuda')
        return torch.device('mps' if torch.backends.mps.is_available() else 'cpu')
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise OptionError(f'device "{name}": not usable here: {line_of(error)}') from error
    return device


def _find_dtype(name: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    if isinstance(name, torch.dtype):
        name = str(name).removeprefix('torch.')
    if name == 'half':
        # CPUs compute float16 slowly, if at all.
        name = 'bfloat16' if device.type == 'cpu' else 'float16'
    if name is None:
        return torch.float32
    if name not in _DTYPES:
        from cclgan_plugin.errors import did_you_mean

        raise OptionError(
            f'dtype "{name}": expected {", ".join(_DTYPES)} or half.{did_you_mean(name, _DTYPES)}'
        )
    return _DTYPES[name]
