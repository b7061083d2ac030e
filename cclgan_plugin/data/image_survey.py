"""Looking at every image of a set once: can it be decoded, how large is it, what does it show?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cclgan_plugin.data.decode import decode_image, format_of
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_header import check_whole
from cclgan_plugin.data.image_signature import signature
from cclgan_plugin.data.jpeg_pixels import decode_usual_jpeg, is_sound_jpeg
from cclgan_plugin.data.ordered_work import in_order
from cclgan_plugin.data.sources import ImageSource


@dataclass(frozen=True)
class Surveyed:
    """What is known of one image.

    Attributes:
        name: as in the source.
        size: of the encoded image in bytes.
        kind: PNG, JPEG, BMP, WEBP or TIFF.
        bits: per channel, 8 or 16.
        width, height: in pixels.
        digest: the same for the same pixels, whatever the format.
        signature: see :func:`~cclgan_plugin.data.image_signature.signature`.
        error: why it cannot be read, or None; then there is nothing but the name.
        damaged: it is decoded, but its compressed data make no sense: part of the picture is wrong.
    """

    name: str
    size: int = 0
    kind: str = ''
    bits: int = 0
    width: int = 0
    height: int = 0
    digest: bytes = b''
    signature: np.ndarray | None = None
    error: str | None = None
    damaged: bool = False


def survey(source: ImageSource, workers: int | None = None) -> Iterator[Surveyed]:
    """Decodes every image of a source.

    Args:
        source: the images.
        workers: threads; None = one for each processor.

    Yields:
        One result per image, in the source's order.
    """

    def look(index: int) -> Surveyed:
        name = source.name(index)
        try:
            data = source.read(index)
            kind = format_of(data)
            # This decoder minds damage; what it refuses another one may fill up with grey.
            image = decode_usual_jpeg(data) if kind == 'JPEG' else None
            damaged = kind == 'JPEG' and image is None and not is_sound_jpeg(data)
            if image is None:
                image = decode_image(data, name)
            # OpenCV decodes a PNG whose last bytes are missing or wrong.
            check_whole(data, name)
        except ImageError as error:
            return Surveyed(name, error=str(error))
        pixels = np.ascontiguousarray(image)
        digest = hashlib.blake2b(repr((pixels.shape, pixels.dtype.str)).encode(), digest_size=16)
        digest.update(pixels.data)
        return Surveyed(
            name,
            len(data),
            kind or '',
            8 * image.dtype.itemsize,
            image.shape[1],
            image.shape[0],
            digest.digest(),
            signature(pixels),
            damaged=damaged,
        )

    yield from in_order(look, range(len(source)), workers)
