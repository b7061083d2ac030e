"""What the segments of a JPEG file say: whether it is whole, and what kind of picture it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

# In compressed data a 0xFF is followed by a stuffed zero or a restart number; all else is a marker.
_NEXT_MARKER = re.compile(rb'\xff+[^\x00\xff\xd0-\xd7]')
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_APPLICATION_1 = 0xE1
_WITHOUT_LENGTH = {0x01, 0xD8}
# Baseline, extended and progressive with Huffman coding; the others are arithmetic, lossless, hierarchical.
_PROGRESSIVE = 0xC2
_FRAMES = {0xC0, 0xC1, _PROGRESSIVE}
_GREY_OR_COLOUR = (1, 3)
# What libjpeg and OpenCV take at most.
_MOST_ROWS, _MOST_PIXELS = 65500, 1 << 30
_EXIF_ORIENTATION = 0x0112
_TURNED = range(2, 9)


class UsualJpeg(NamedTuple):
    """A JPEG of 8 bits, grey or of three colours, Huffman-coded.

    Attributes:
        height, width: as the pixels are stored, in pixels.
        height_at: where in the file the height stands, two bytes.
        upright: whether no EXIF orientation turns or mirrors it.
        in_one_scan: whether rows follow each other, instead of several passes over the whole picture.
    """

    height: int
    width: int
    height_at: int
    upright: bool
    in_one_scan: bool


def is_whole_jpeg(data: bytes) -> bool:
    """Whether the end-of-image marker of a JPEG file is there.

    The file's segments are walked from the front (ITU-T T.81, annex B), because the thumbnail that
    cameras embed has an end marker of its own, and because some devices append data behind the end.
    Decoders differ: some return a cut-off image with a grey rest and no error.

    Args:
        data: a file that begins with the start-of-image marker.
    """
    # An end behind the start of a scan is not the thumbnail's; this saves a search through most files.
    at_the_end = data.endswith(b'\xff\xd9')
    return any(
        marker == _END_OF_IMAGE or (marker == _START_OF_SCAN and at_the_end) for marker, _ in _segments(data)
    )


def usual_jpeg(data: bytes) -> UsualJpeg | None:
    """The header of a JPEG file of the usual kind; None = of another, or damaged.

    Args:
        data: a file that begins with the start-of-image marker.
    """
    frame = None
    upright, channels, progressive = True, 0, False
    for marker, position in _segments(data):
        if marker in _FRAMES:
            # Length (2 bytes), bits, height (2), width (2), channels.
            size = data[position : position + 8]
            if len(size) < 8 or size[2] != 8 or size[7] not in _GREY_OR_COLOUR:
                return None
            if int.from_bytes(size[:2], 'big') != 8 + 3 * size[7]:
                return None
            height, width = int.from_bytes(size[3:5], 'big'), int.from_bytes(size[5:7], 'big')
            # A height of zero means that it is said only behind the picture.
            if not 0 < height * width <= _MOST_PIXELS or max(height, width) > _MOST_ROWS:
                return None
            frame = UsualJpeg(height, width, position + 3, True, True)
            channels, progressive = size[7], marker == _PROGRESSIVE
        elif marker == _APPLICATION_1 and data.startswith(b'Exif', position + 2):
            length = int.from_bytes(data[position : position + 2], 'big')
            upright = upright and not _turns(data[position + 8 : position + length])
        elif marker == _START_OF_SCAN:
            in_one_scan = not progressive and data[position + 2 : position + 3] == bytes([channels])
            return frame and frame._replace(upright=upright, in_one_scan=in_one_scan)
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The marker of each segment and where its length stands, up to the end of the image or of the file."""
    position = 2
    while (found := _NEXT_MARKER.search(data, position)) is not None:
        position = found.end()
        marker = data[position - 1]
        yield marker, position
        if marker == _END_OF_IMAGE:
            return
        if marker not in _WITHOUT_LENGTH:
            # Behind a scan's header come its compressed data, which the search skips.
            position += int.from_bytes(data[position : position + 2], 'big')


def _turns(exif: bytes) -> bool:
    """Whether the TIFF header of an EXIF segment turns the picture, or may turn it: its decoder decides."""
    order: Literal['little', 'big'] = 'little' if exif.startswith(b'II') else 'big'

    def number(position: int, size: int) -> int:
        return int.from_bytes(exif[position : position + size], order)

    start = number(4, 4)
    end = start + 2 + 12 * number(start, 2)
    if exif[:2] not in (b'II', b'MM') or start < 8 or end > len(exif):
        return True
    for entry in range(start + 2, end, 12):
        if number(entry, 2) == _EXIF_ORIENTATION:
            one_short = number(entry + 2, 2) == 3 and number(entry + 4, 4) == 1
            return not one_short or number(entry + 8, 2) in _TURNED
    return False
