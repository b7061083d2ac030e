"""One side of an unpaired data set: its images, and what happens when one of them is no good."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.sources import ImageSource

CORRUPT_IMAGES = ('error', 'skip')


class ImageSide:
    """Reads the images of one side.

    Args:
        key: the side's key in the options file, for messages.
        source: where its images come from.
        corrupt_images: ``'error'``: an image that cannot be decoded ends the run; ``'skip'``: warn once
            and take another image of this side.
    """

    def __init__(self, key: str, source: ImageSource, corrupt_images: str) -> None:
        self.key = key
        self.source = source
        # Which images were complained of, in shared memory: one warning per file, not one per worker.
        self._warned = (
            torch.zeros(len(source), dtype=torch.uint8).share_memory_() if corrupt_images == 'skip' else None
        )

    def __len__(self) -> int:
        return len(self.source)

    def load(self, index: int, spare: Callable[[], np.random.Generator]) -> tuple[np.ndarray, str]:
        """The decoded image at an index, or its replacement.

        Args:
            index: in [0, len).
            spare: gives the random generator that chooses replacements; called only if one is needed.

        Returns:
            The image ``(H, W, 3)``, uint8 or uint16, RGB, and its name.

        Raises:
            ImageError: the image is no good and must not be skipped, or none of the side's images is good.
        """
        try:
            return self._decode(index)
        except ImageError as error:
            if self._warned is None:
                raise
            self._warn(index, error)
        for candidate in spare().permutation(len(self)):
            try:
                return self._decode(int(candidate))
            except ImageError as error:
                self._warn(int(candidate), error)
        raise ImageError(f'{self.key}: none of the {len(self)} images in "{self.source.root}" can be read')

    def _decode(self, index: int) -> tuple[np.ndarray, str]:
        name = self.source.name(index)
        return decode_image(self.source.read(index), name), name

    def _warn(self, index: int, error: ImageError) -> None:
        assert self._warned is not None
        if not self._warned[index]:
            self._warned[index] = 1
            logging.getLogger('basicsr').warning('Skipped: %s', error)
