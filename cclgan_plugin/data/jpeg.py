"""Telling a whole JPEG file from one that was cut off."""

from __future__ import annotations

import re

# In compressed data a 0xFF is followed by a stuffed zero or a restart number; all else is a marker.
_NEXT_MARKER = re.compile(rb'\xff+[^\x00\xff\xd0-\xd7]')
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_WITHOUT_LENGTH = {0x01, 0xD8}


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
