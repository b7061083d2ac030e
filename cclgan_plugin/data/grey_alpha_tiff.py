"""TIFF files of 16 bits with grey and alpha, which neither OpenCV nor Pillow reads."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import TiffImagePlugin

from cclgan_plugin.data.exif import ORIENTATION, turned
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.open_image import MOST_PIXELS
from cclgan_plugin.errors import line_of

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _PLANES, _EXTRA, _NUMBERS = 256, 257, 258, 262, 284, 338, 339
_BLACK_IS_ZERO, _APART, _WHOLE_NUMBERS = 1, 2, 1
# Multiplied by it or not; a channel of which nothing is said may be anything.
_ALPHA = (1, 2)


def first_directory(data: bytes) -> dict[int, Any]:
    """The tags of a TIFF file's first page, whatever its pixels are; none where they cannot be read."""
    head = data[: 16 if data[2:4] in (b'+\0', b'\0+') else 8]
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(head)
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        return dict(tags)
    except Exception:  # Pillow's readers raise many kinds
        return {}


def grey_and_alpha(data: bytes, name: str) -> np.ndarray | None:
    """The pixels of such a file, uint16 ``(H, W, 2)``, upright; None = another kind of file.

    Args:
        data: a file that begins with the TIFF signature.
        name: the file or key, for messages.

    Raises:
        ImageError: it is cut off, damaged or compressed in a way that is not read.
    """
    import tifffile

    tags = first_directory(data)
    if not _is_meant(tags):
        return None
    try:
        if tags[_WIDTH] * tags[_HEIGHT] > MOST_PIXELS:
            raise ValueError(f'{tags[_WIDTH]}x{tags[_HEIGHT]} pixels, at most {MOST_PIXELS} are read')
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            pixels = np.asarray(file.pages[0].asarray(maxworkers=1))
        if tags.get(_PLANES, 1) == _APART:
            pixels = np.moveaxis(pixels, 0, 2)
        return turned(pixels.astype(np.uint16, copy=False), tags.get(ORIENTATION, 1))
    except Exception as error:  # tifffile raises many kinds
        raise ImageError(
            f'{name}: the TIFF file is truncated, damaged or compressed in a way in which grey with alpha of '
            f'16 bits is not read ({line_of(error)}); expected no compression, or Deflate'
        ) from error


def for_pillow(data: bytes) -> bytes:
    """A TIFF file that Pillow opens: of such a file, a copy that says 8 bits, whose pixels make no sense.

    What else it says is the same.
    """
    import tifffile

    if not _is_meant(first_directory(data)):
        return data
    copy = io.BytesIO(data)
    with tifffile.TiffFile(copy) as file:
        for page in file.pages:
            if page.tags.valueof(_BITS) == (16, 16):
                page.tags[_BITS].overwrite((8, 8))
        return copy.getvalue()


def _is_meant(tags: dict[int, Any]) -> bool:
    extra = tags.get(_EXTRA)
    return (
        tags.get(_BITS) == (16, 16)
        and tags.get(_PHOTOMETRIC) == _BLACK_IS_ZERO
        and (extra[0] if isinstance(extra, tuple) else extra) in _ALPHA
        and set(tags.get(_NUMBERS, (_WHOLE_NUMBERS,))) == {_WHOLE_NUMBERS}
    )
