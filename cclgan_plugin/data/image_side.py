"""One side of an unpaired data set: its images, and what happens when one of them is no good."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_cache import DecodedCache, EncodedCache
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.sources import ImageSource
from cclgan_plugin.data.upper_rows import decode_upper
from cclgan_plugin.errors import DataError

CORRUPT_IMAGES = ('error', 'skip')


class Picture(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: ``(R, W, 3)``, uint8 or uint16, RGB: the upper rows, at least those that were asked for.
        height: of the whole image in pixels.
        name: the file or key.
    """

    pixels: np.ndarray
    height: int
    name: str


class ImageSide:
    """Reads the images of one side.

    Args:
        key: the side's key in the options file, for messages.
        source: where its images come from.
        corrupt_images: ``'error'``: an image that cannot be decoded ends the run; ``'skip'``: warn once
            and take another image of this side.
        cache: ``'off'``, or ``'encoded'`` or ``'decoded'``: held in memory that all workers share.
        at_least: images may come smaller than they are, see
            :func:`~cclgan_plugin.data.decode.decode_image`.

    Raises:
        DataError: the images do not fit into memory.
    """

    def __init__(
        self,
        key: str,
        source: ImageSource,
        corrupt_images: str,
        cache: str = 'off',
        at_least: int | None = None,
    ) -> None:
        self.key = key
        self._at_least = at_least
        try:
            self.source = EncodedCache(source) if cache == 'encoded' else source
            self._pixels = DecodedCache(source, at_least) if cache == 'decoded' else None
        except DataError as error:
            smaller = 'off' if cache == 'encoded' else 'encoded or off'
            raise DataError(f'cache: {cache}: {key}: {error}; choose cache: {smaller}') from error
        # Which images were complained of, in shared memory: one warning per file, not one per worker.
        self._warned = (
            torch.zeros(len(source), dtype=torch.uint8).share_memory_() if corrupt_images == 'skip' else None
        )

    def __len__(self) -> int:
        return len(self.source)

    def load(
        self,
        index: int,
        spare: Callable[[], np.random.Generator],
        rows: Callable[[int, int], int] | None = None,
        among: np.ndarray | None = None,
    ) -> Picture:
        """The decoded image at an index, or its replacement.

        Args:
            index: in [0, len).
            spare: gives the random generator that chooses replacements; called only if one is needed.
            rows: of an image's height and width, how many of its rows are needed, from the top; None = all.
            among: the indices from which a replacement may be chosen; None = all of them.

        Raises:
            ImageError: the image is no good and must not be skipped, or none that may be taken is good.
        """
        try:
            return self._decode(index, rows)
        except ImageError as error:
            if self._warned is None:
                raise
            self._warn(index, error)
        candidates = np.arange(len(self)) if among is None else among
        for candidate in candidates[spare().permutation(len(candidates))]:
            try:
                return self._decode(int(candidate), rows)
            except ImageError as error:
                self._warn(int(candidate), error)
        chosen = '' if len(candidates) == len(self) else f' {len(candidates)} that may be taken of'
        raise ImageError(
            f'{self.key}: none of the{chosen} {len(self)} images in "{self.source.root}" can be read'
        )

    def _decode(self, index: int, rows: Callable[[int, int], int] | None) -> Picture:
        name = self.source.name(index)
        pixels = None if self._pixels is None else self._pixels.get(index)
        if pixels is None and rows is not None:
            return Picture(*decode_upper(self.source.read(index), name, rows), name)
        if pixels is None:
            pixels = decode_image(self.source.read(index), name, self._at_least)
        return Picture(pixels, pixels.shape[0], name)

    def _warn(self, index: int, error: ImageError) -> None:
        assert self._warned is not None
        if not self._warned[index]:
            self._warned[index] = 1
            logging.getLogger('basicsr').warning('Skipped: %s', error)
