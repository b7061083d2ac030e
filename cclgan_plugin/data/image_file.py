"""Images as files of every format that is written."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.errors import DataError

# Of these, Pillow writes what OpenCV has no settings for.
_JPEG = ('.jpg', '.jpeg', '.jpe', '.jfif')
_SIXTEEN_BITS = ('.png', '.tif', '.tiff')


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """The nearest 8 bits of 16; uint8 as it is."""
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels


def encode_image(image: np.ndarray, extension: str) -> bytes:
    """Encodes an image as its extension says.

    PNG, BMP, TIFF and WebP are lossless. JPEG has quality 95 and full colour resolution. 16 bits
    become 8 where the format has no more.

    Args:
        image: ``(H, W, 3)`` RGB, uint8 or uint16.
        extension: one of :data:`~cclgan_plugin.data.image_folder.IMAGE_EXTENSIONS`, in any case.

    Raises:
        DataError: the image cannot be written in this format (e.g. it is too large for WebP).
    """
    extension = extension.lower()
    if extension not in _SIXTEEN_BITS:
        image = eight_bits(image)
    try:
        if extension in _JPEG:
            return _with_pillow(image, 'JPEG', quality=95, subsampling=0)
        if extension == '.webp':
            return _with_pillow(image, 'WEBP', lossless=True)
        done, data = cv2.imencode(extension, np.ascontiguousarray(image[..., ::-1]))
    except (cv2.error, ValueError, OSError) as error:
        raise DataError(f'an image of {image.shape[1]}x{image.shape[0]} as {extension}: {error}') from error
    if not done:
        raise DataError(f'an image of {image.shape[1]}x{image.shape[0]} cannot be written as {extension}')
    return data.tobytes()


def encode_named(image: np.ndarray, extension: str, name: str) -> bytes:
    """:func:`encode_image` of the image of a file, for work on many files that one bad one does not end.

    Raises:
        ImageError: the image of the file ``name`` cannot be written in this format.
    """
    try:
        return encode_image(image, extension)
    except DataError as error:
        raise ImageError(f'{name}: {error}') from error


def _with_pillow(image: np.ndarray, kind: str, **settings: int | bool) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, kind, **settings)
    return buffer.getvalue()
