"""What one image becomes in an LMDB: its own bytes, or smaller or other images made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_file import encode_named
from cclgan_plugin.data.image_header import EXTENSIONS, check_whole, read_header
from cclgan_plugin.data.lmdb_keys import sub_image_key
from cclgan_plugin.errors import OptionError


@dataclass(frozen=True)
class EntrySettings:
    """How images are stored.

    Attributes:
        encode: ``'keep'``: the original bytes, or PNG where the pixels change; ``'png'`` and ``'webp'``
            (both lossless) or ``'jpg'`` (quality 95, full colour resolution): encoded anew.
        crop: side in pixels of square sub-images; None = the whole image. An image that is smaller
            than that on one axis gives sub-images that are smaller on that axis.
        step: pixels from one sub-image to the next; the last one ends at the image's edge. None = ``crop``.
        max_size: the longer side in pixels at most; larger images are shrunk, before they are cut.

    Raises:
        OptionError: a number is below 1, there is a step without a crop or one that would leave gaps.
    """

    encode: str = 'keep'
    crop: int | None = None
    step: int | None = None
    max_size: int | None = None

    def __post_init__(self) -> None:
        for name in ('crop', 'step', 'max_size'):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f'--{name.replace("_", "-")} {value}: at least 1 pixel was expected')
        if self.step is not None and (self.crop is None or self.step > self.crop):
            raise OptionError(
                f'--step {self.step}: expected with --crop, and not larger than it, or pixels would be lost'
            )

    @property
    def keeps_pixels(self) -> bool:
        """Whether every entry shows a whole image of the original size."""
        return self.crop is None and self.max_size is None

    @property
    def keeps_bytes(self) -> bool:
        """Whether every entry is the file itself, so that nothing is decoded."""
        return self.keeps_pixels and self.encode == 'keep'


class Entry(NamedTuple):
    """One value of the database.

    Attributes:
        key: its key.
        data: the encoded image.
        height, width: in pixels.
        extension: the usual one of its format, e.g. ``.png``.
    """

    key: str
    data: bytes
    height: int
    width: int
    extension: str

    @property
    def line(self) -> str:
        """Its line in ``meta_info.txt``."""
        return f'{self.key}{self.extension} ({self.height},{self.width},3)'


def make_entries(data: bytes, name: str, key: str, settings: EntrySettings) -> list[Entry]:
    """The entries of one image.

    Args:
        data: the encoded image.
        name: the file, for messages.
        key: the key of the whole image.
        settings: how to store it.

    Raises:
        ImageError: the image is no good, or too large for its new format.
    """
    if settings.keeps_bytes:
        header = read_header(data, name)
        return [Entry(key, data, header.height, header.width, EXTENSIONS[header.kind])]
    check_whole(data, name)
    image = _shrink(decode_image(data, name), settings.max_size)
    extension = '.png' if settings.encode == 'keep' else f'.{settings.encode}'
    entries = []
    for top, left, part in _parts(image, settings.crop, settings.step):
        part_key = key if settings.crop is None else sub_image_key(key, top, left)
        height, width = part.shape[:2]
        entries.append(Entry(part_key, encode_named(part, extension, name), height, width, extension))
    return entries


def _shrink(image: np.ndarray, max_size: int | None) -> np.ndarray:
    height, width = image.shape[:2]
    if max_size is None or max(height, width) <= max_size:
        return image
    scale = max_size / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)


def _parts(image: np.ndarray, crop: int | None, step: int | None) -> list[tuple[int, int, np.ndarray]]:
    if crop is None:
        return [(0, 0, image)]
    height, width = image.shape[:2]
    return [
        (top, left, image[top : top + crop, left : left + crop])
        for top in _starts(height, crop, step or crop)
        for left in _starts(width, crop, step or crop)
    ]


def _starts(length: int, crop: int, step: int) -> list[int]:
    if length <= crop:
        return [0]
    starts = list(range(0, length - crop + 1, step))
    return starts if starts[-1] == length - crop else [*starts, length - crop]
