"""Telling a whole PNG file from one that was cut off or damaged."""

from __future__ import annotations

import zlib


def png_fault(data: bytes) -> str | None:
    """What is wrong with the chunks of a PNG file, such as ``'damaged: ...'``; None = nothing.

    Each has a length, a name, content, and a CRC-32 of the last two (PNG, section 5.3).

    Args:
        data: a file that begins with the PNG signature.
    """
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], 'big')
        end = position + 8 + length
        if end + 4 > len(data):
            break
        chunk = memoryview(data)[position + 4 : end]
        if zlib.crc32(chunk) != int.from_bytes(data[end : end + 4], 'big'):
            return 'damaged: a checksum is wrong'
        if chunk[:4] == b'IEND':
            return None
        position = end + 4
    return 'truncated, its end is missing'
