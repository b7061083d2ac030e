"""PNG files as neither OpenCV nor Pillow writes them: 16 bits with profile and EXIF, and grey with alpha."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

from cclgan_plugin.data.png import chunks

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
#: Signature and header chunk; what describes the colours stands behind them.
_HEAD = 33
#: Which colours the numbers stand for (PNG, third edition, 11.3.2), beside the profile.
_COLOUR = (b'cHRM', b'gAMA', b'sRGB', b'cICP')
_TEXTS = (b'tEXt', b'zTXt', b'iTXt')
#: Where ImageMagick keeps EXIF: compressed after a byte for the method, or as it is.
_EXIF_TEXT = b'Raw profile type exif\0'
#: What Pillow takes of a text, in bytes.
_LONGEST_TEXT = 1 << 20
_GREY_WITH_ALPHA = 4
#: A row is stored as its difference from the one above, byte by byte.
_FROM_ABOVE = 2


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk: length, name, content, and a CRC-32 of the last two."""
    return struct.pack('>I', len(content)) + name + content + struct.pack('>I', zlib.crc32(name + content))


def colour_chunks(data: bytes) -> bytes:
    """The whole chunks of a PNG file that say which colours its numbers stand for; damaged ones are left out.

    Args:
        data: a file that begins with the PNG signature.
    """
    found: dict[bytes, bytes] = {}
    for name, begin, end in chunks(data):
        if name in (b'PLTE', b'IDAT'):
            break
        if name in _COLOUR and data[begin:end] == chunk(name, data[begin + 8 : end - 4]):
            found.setdefault(name, data[begin:end])
    return b''.join(found.values())


def without_texts(data: bytes) -> bytes:
    """A PNG file without its texts but EXIF, because Pillow refuses a picture of which one is too long.

    Other metadata in them, such as XMP or the profile ``APP1``, are not taken over anyway.

    Args:
        data: a file that begins with the PNG signature.
    """
    kept, position = [], 0
    for name, begin, end in chunks(data):
        if name in _TEXTS and not _is_exif_text(name, data[begin + 8 : end - 4]):
            kept.append(data[position:begin])
            position = end
    return b''.join([*kept, data[position:]]) if kept else data


def _is_exif_text(name: bytes, content: bytes) -> bool:
    """Whether it is EXIF that Pillow reads."""
    if name == b'iTXt' or not content.startswith(_EXIF_TEXT):
        return False
    text = content[len(_EXIF_TEXT) :]
    if name == b'zTXt':
        inflating = zlib.decompressobj()
        try:
            inflating.decompress(text[1:], _LONGEST_TEXT)
        except zlib.error:
            return False
        return not inflating.unconsumed_tail
    return len(text) <= _LONGEST_TEXT


def is_grey_with_alpha(data: bytes) -> bool:
    """By the header of a PNG file; of 16 bits, Pillow calls it colours with alpha."""
    return data[25:26] == bytes([_GREY_WITH_ALPHA])


def with_chunks(data: bytes, more: bytes) -> bytes:
    """A PNG file with more chunks behind its header."""
    return data[:_HEAD] + more + data[_HEAD:]


def png16(
    pixels: np.ndarray,
    icc: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    exif: bytes | None = None,
) -> bytes:
    """A PNG file of 16 bits.

    Args:
        pixels: uint16 ``(H, W)`` grey, ``(H, W, 2)`` grey and alpha, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA.
        icc: colour profile.
        dpi: pixels per inch.
        exif: metadata, which may begin with ``Exif``.

    Raises:
        ValueError: OpenCV refuses, as it does with no pixels or too many.
    """
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        content = _grey_with_alpha(pixels)
    else:
        if pixels.ndim == 3:
            pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
        done, encoded = cv2.imencode('.png', np.ascontiguousarray(pixels))
        if not done:
            raise ValueError('OpenCV refuses')
        content = encoded.tobytes()
    # Pillow has no 16-bit colours, OpenCV no profiles.
    more = b''
    if icc:
        more += chunk(b'iCCP', b'ICC Profile\0\0' + zlib.compress(icc))
    if dpi:
        # By metre, which is what 1 stands for.
        more += chunk(b'pHYs', struct.pack('>IIB', *(round(d / 0.0254) for d in dpi), 1))
    if exif:
        more += chunk(b'eXIf', exif.removeprefix(b'Exif\0\0'))
    return with_chunks(content, more)


def _grey_with_alpha(pixels: np.ndarray) -> bytes:
    """OpenCV would write it as colours, of which a grey profile says nothing."""
    height, width = pixels.shape[:2]
    rows = pixels.astype('>u2').view(np.uint8).reshape(height, 4 * width)
    stored = np.full((height, 1 + 4 * width), _FROM_ABOVE, np.uint8)
    stored[:, 1:] = rows
    stored[1:, 1:] -= rows[:-1]
    header = struct.pack('>IIBBBBB', width, height, 16, _GREY_WITH_ALPHA, 0, 0, 0)
    return (
        _SIGNATURE
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(stored.data, 1))
        + chunk(b'IEND', b'')
    )
