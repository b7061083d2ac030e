"""A picture of what the kinds of rain look like on one's own photographs."""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2
import numpy as np

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_file import eight_bits
from cclgan_plugin.data.preview import middle, side_by_side, spread
from cclgan_plugin.data.rain_folder import rain_on
from cclgan_plugin.data.rain_params import RAIN_TYPES
from cclgan_plugin.data.randomness import generator
from cclgan_plugin.data.sources import read_bytes
from cclgan_plugin.errors import DataError

_PHOTOGRAPHS = 4
_SIDE = 256


def rain_preview(clean: str, names: Sequence[str], seed: int = 0) -> np.ndarray:
    """Some photographs, spread over the folder, without rain and in every kind of it.

    Args:
        clean: folder of clean photographs.
        names: paths relative to it.
        seed: other numbers give other drops.

    Returns:
        uint8 ``(H, W, 3)``, RGB.

    Raises:
        DataError: none of the photographs can be read.
    """
    rows = []
    for name in spread(names, _PHOTOGRAPHS):
        try:
            path = os.path.join(clean, name)
            square = _middle_square(decode_image(read_bytes(path), path))
        except ImageError:
            continue  # the command has named it
        rained = [rain_on(square, kind, generator(seed, f'rain {name}')) for kind in RAIN_TYPES.values()]
        rows.append([square, *rained])
    if not rows:
        raise DataError(f'CLEAN_DIR: none of the photographs in "{clean}" can be read')
    return side_by_side(rows, ['clean', *RAIN_TYPES])


def _middle_square(image: np.ndarray) -> np.ndarray:
    side = min(image.shape[:2])
    square = np.ascontiguousarray(middle(image, side, side))
    small = cv2.resize(square, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return eight_bits(small)
