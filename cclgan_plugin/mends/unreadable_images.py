"""A corrupt image: ``'NoneType' object has no attribute 'astype'``, without the file's name. A JPEG cut
short is completed with grey by older OpenCV.

In every release: ``imfrombytes`` does not ask whether OpenCV could decode. May go when it does, and the
datasets say what they read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from basicsr.utils import img_util
from basicsr.utils.file_client import FileClient

from cclgan_plugin.errors import DataError
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace, replace_method

__all__ = ['BytesFrom', 'apply', 'needed']


class BytesFrom(bytes):
    """The content of a file, which knows where it came from."""

    origin: str


def get(self: Any, filepath: str, client_key: str = 'default') -> bytes:
    """BasicSR's ``FileClient.get``; the bytes carry the name they were asked by.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        content = get.unmended(self, filepath, client_key)  # type: ignore[attr-defined]
    except OSError as error:
        raise DataError(f'{filepath} cannot be read: {error.strerror or error}') from error
    # Memory-mapped and remote backends may return other buffers than bytes.
    named = BytesFrom(content)
    named.origin = str(filepath)
    return named


def imfrombytes(content: bytes, flag: str = 'color', float32: bool = False) -> np.ndarray:
    """Decode an image.

    Args:
        content: of the file.
        flag: color, grayscale or unchanged.
        float32: convert to float32 in [0, 1].

    Returns:
        (H, W, 3) BGR or (H, W).

    Raises:
        DataError: it is no image, or cut short; with the file's name where it is known.
    """
    # Imported late: the package of datasets needs BasicSR, mended.
    from cclgan_plugin.data.jpeg import is_whole_jpeg

    origin = getattr(content, 'origin', 'The image')
    if len(content) == 0:
        raise DataError(f'{origin} is empty.')
    if content.startswith(b'\xff\xd8') and not is_whole_jpeg(content):
        raise DataError(f'{origin} is cut short: the end of the JPEG is missing.')
    image = imfrombytes.unmended(content, flag)  # type: ignore[attr-defined]
    if image is None:
        raise DataError(f'{origin} is no image that OpenCV can decode, or is damaged.')
    return image.astype(np.float32) / 255.0 if float32 else image


def apply() -> None:
    """Name unreadable files in every dataset that reads through BasicSR."""
    replace(img_util.imfrombytes, imfrombytes)
    replace_method(FileClient, 'get', get)
