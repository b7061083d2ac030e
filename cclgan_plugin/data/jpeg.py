"""Telling a whole and sound JPEG file from one that was cut off or damaged."""

from __future__ import annotations

import re

from kornia_rs import io as strict

# In compressed data a 0xFF is followed by a stuffed zero or a restart number; all else is a marker.
_NEXT_MARKER = re.compile(rb'\xff+[^\x00\xff\xd0-\xd7]')
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_WITHOUT_LENGTH = {0x01, 0xD8}
# Baseline, extended and progressive with Huffman coding.
_FRAMES = {0xC0, 0xC1, 0xC2}
_OTHER_FRAMES = set(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_GREY_OR_COLOUR = (1, 3)


def is_whole_jpeg(data: bytes) -> bool:
    """Whether the end-of-image marker of a JPEG file is there.

    The file's segments are walked from the front (ITU-T T.81, annex B), because the thumbnail that
    cameras embed has an end marker of its own, and because some devices append data behind the end.
    Decoders differ: some return a cut-off image with a grey rest and no error.

    Args:
        data: a file that begins with the start-of-image marker.
    """
    position = 2
    while True:
        found = _NEXT_MARKER.search(data, position)
        if found is None:
            return False
        position = found.end()
        marker = data[position - 1]
        if marker == _END_OF_IMAGE:
            return True
        if marker in _WITHOUT_LENGTH:
            continue
        if marker == _START_OF_SCAN and data.endswith(b'\xff\xd9'):
            return True  # behind the thumbnail; saves the search through the data of nearly every file
        # Behind a scan's header come its compressed data, which the search above skips.
        position += int.from_bytes(data[position : position + 2], 'big')


def is_sound_jpeg(data: bytes) -> bool:
    """Whether the compressed data of a JPEG file make sense, as far as a decoder can tell.

    OpenCV and Pillow return a picture whatever stands in the data, with a wrong or grey rest. This decodes
    it once more and minds what the decoder complains of. Of rare kinds (CMYK, arithmetic coding) it knows
    nothing and says yes.

    Args:
        data: a file that begins with the start-of-image marker.
    """
    if not _is_usual(data):
        return True
    try:
        strict.decode_image_jpegturbo(data, 'rgb')
    except Exception:  # it raises bare ones
        return False
    return True


def _is_usual(data: bytes) -> bool:
    """Whether the frame header announces 8 bits, grey or colour, and Huffman coding."""
    position = 2
    while (found := _NEXT_MARKER.search(data, position)) is not None:
        position = found.end()
        marker = data[position - 1]
        if marker in _FRAMES:
            # Length (2 bytes), bits, height (2), width (2), channels.
            frame = data[position : position + 8]
            return len(frame) == 8 and frame[2] == 8 and frame[7] in _GREY_OR_COLOUR
        if marker in _OTHER_FRAMES or marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return False
        if marker not in _WITHOUT_LENGTH:
            position += int.from_bytes(data[position : position + 2], 'big')
    return False
