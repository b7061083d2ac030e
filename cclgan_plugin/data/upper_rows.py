"""An image down to the last row that is needed: what lies below a crop is left out where that saves time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cclgan_plugin.data.decode import decode_image, format_of
from cclgan_plugin.data.jpeg import usual_jpeg
from cclgan_plugin.data.jpeg_pixels import decode_upper_rows


def decode_upper(data: bytes, name: str, rows: Callable[[int, int], int]) -> tuple[np.ndarray, int]:
    """Decodes an image from the top down to the row that a crop needs.

    Args:
        data: the encoded image.
        name: the file or key, for messages.
        rows: of the whole image's height and width, how many rows are needed, 1..H. It may not be asked.

    Returns:
        uint8 or uint16 array ``(R, W, 3)`` with R at least that many, as
        :func:`~cclgan_plugin.data.decode.decode_image` gives them, and the height of the whole image.

    Raises:
        ImageError: as :func:`~cclgan_plugin.data.decode.decode_image`.
    """
    header = usual_jpeg(data) if format_of(data) == 'JPEG' else None
    if header is not None and (needed := rows(header.height, header.width)) < header.height:
        upper = decode_upper_rows(data, header, needed)
        if upper is not None:
            return upper, header.height
    image = decode_image(data, name)
    return image, image.shape[0]
