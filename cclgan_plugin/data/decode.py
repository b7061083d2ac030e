"""Encoded images become RGB arrays, whatever kind of file they are."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from kornia_rs import io as png

from cclgan_plugin.data.exif import upright
from cclgan_plugin.data.grey_alpha_tiff import first_directory, grey_and_alpha
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.jpeg import is_whole_jpeg
from cclgan_plugin.data.jpeg_pixels import decode_usual_jpeg
from cclgan_plugin.data.open_image import MOST_PIXELS, open_image
from cclgan_plugin.data.png import chunk_names, look_at_png

FORMATS = ('PNG', 'JPEG', 'BMP', 'WEBP', 'TIFF')

# Three channels, upright by EXIF, without alpha; and 16 bits stay 16 bits.
_READ_COLOUR = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_PLANES, _TIFF_SAMPLES = 258, 262, 284, 339
_TIFF_GREY_OR_RGB = (0, 1, 2)
# Chunks of a PNG that turn it or make a colour transparent.
_PNG_UNUSUAL = {b'eXIf', b'tRNS'}

#: What is no image that is read, by its first bytes.
_KNOWN = (
    (b'GIF8', 'a GIF'),
    (b'%PDF', 'a PDF'),
    (b'PK\3\4', 'a ZIP archive'),
    (b'\0\0\0\x0cjP  ', 'a JPEG 2000 image'),
    (b'\xff\x4f\xff\x51', 'a JPEG 2000 image'),
    (b'8BPS', 'a Photoshop document'),
    (b'v/1\1', 'an OpenEXR image'),
)


def decode_image(data: bytes, name: str, at_least: int | None = None) -> np.ndarray:
    """Decodes a PNG, JPEG, BMP, WebP or TIFF image; the content decides, not the file's name.

    Grey, palette and CMYK images become RGB. The EXIF orientation is applied. Alpha is left out and the
    colours below it are taken as they are, as BasicSR's datasets do. Colour profiles are not applied.
    Of several pages or frames the first is taken.

    Args:
        data: the encoded image.
        name: the file or key, for messages.
        at_least: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which takes less time, as long as
            neither side gets shorter than this. None = the full size.

    Returns:
        uint8 or uint16 array ``(H, W, 3)``, RGB, full range of its type. It may be a view that is not
        contiguous.

    Raises:
        ImageError: not an image, cut off, damaged, or of a kind that is not read (e.g. float pixels).
    """
    if not data:
        raise ImageError(f'{name}: the file is empty')
    kind = format_of(data)
    if kind is None:
        raise ImageError(
            f'{name}: not a {", ".join(FORMATS[:-1])} or {FORMATS[-1]} image; {_what_else(data)}'
        )
    image = None
    if kind == 'PNG':
        image = _plain_png(data)
    elif kind == 'JPEG' and at_least is None:
        image = decode_usual_jpeg(data)
    if image is None and kind == 'JPEG' and not is_whole_jpeg(data):
        raise ImageError(f'{name}: the JPEG file is truncated, its end is missing')
    if kind == 'TIFF' and not _tiff_tags(data) and (both := grey_and_alpha(data, name)) is not None:
        return np.repeat(both[..., :1], 3, axis=2)
    deep = False
    if image is None and _suits_opencv(data, kind, name):
        image = _with_opencv(data, _reduction(data, at_least) if kind == 'JPEG' else None)
        deep = kind == 'TIFF' or (kind == 'PNG' and _has_16_bits(data))
    if image is None:
        image = _with_pillow(data, kind, name)
        if deep and image.dtype == np.uint8:
            # What OpenCV refuses, Pillow may fill up, and it cuts colours of 16 bits to 8.
            raise ImageError(
                f'{name}: the {kind} file is truncated, damaged or unusual: 16 bits per channel were '
                'expected, only 8 can be read'
            )
    if kind == 'TIFF' and image.dtype == np.uint16 and _tiff_tags(data).get(_TIFF_PHOTOMETRIC) == 0:
        # White is zero: of 16 bits neither turns them round, of 8 both do.
        image = 65535 - image
    return image


def format_of(data: bytes) -> str | None:
    """Which of :data:`FORMATS` the first bytes announce; None = another."""
    if data.startswith(b'\x89PNG\r\n\x1a\n'):
        return 'PNG'
    if data.startswith(b'\xff\xd8\xff'):
        return 'JPEG'
    if data.startswith(b'BM'):
        return 'BMP'
    if data.startswith(b'RIFF') and data[8:12] == b'WEBP':
        return 'WEBP'
    if data.startswith((b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')):
        return 'TIFF'
    return None


def _what_else(data: bytes) -> str:
    if data.startswith(b'version https://git-lfs'):
        return 'it is a Git LFS pointer, fetch the content with "git lfs pull"'
    for start, what in _KNOWN:
        if data.startswith(start):
            return f'it is {what}'
    if data[4:8] == b'ftyp':
        return 'it is a HEIC, AVIF or video file'
    if not any(data):
        return 'it holds nothing but zero bytes'
    beginning = data[:30]
    if all(32 <= byte < 127 or byte in b'\t\r\n' for byte in beginning):
        return f'it begins with the text {beginning.decode()!r}'
    return f'it begins with the bytes {beginning[:8].hex(" ")}'


def _has_16_bits(png: bytes) -> bool:
    return png[24:25] == b'\x10'


def _suits_opencv(data: bytes, kind: str, name: str) -> bool:
    """Whether OpenCV, which is faster, gives the right pixels."""
    if kind == 'PNG' and not _has_16_bits(data) and isinstance(look_at_png(data), str):
        # Its PNG library writes past us to the standard error; 16 bits, though, Pillow would cut to 8.
        return False
    if kind == 'WEBP':
        # Extended header: before OpenCV 5, animations fail and the EXIF orientation is not applied.
        return not (data[12:16] == b'VP8X' and data[20] & 0b1010)
    return kind != 'TIFF' or _tiff_suits_opencv(data, name)


def _tiff_suits_opencv(data: bytes, name: str) -> bool:
    """OpenCV multiplies 8-bit colours by alpha, Pillow cuts 16 bits to 8, and neither reads 16-bit planes."""
    tags = _tiff_tags(data)
    if max(tags.get(_TIFF_BITS, (1,))) <= 8:
        return False
    if tags.get(_TIFF_PLANES, 1) != 1:
        raise ImageError(f'{name}: a 16-bit TIFF file with separate colour planes, which is not read here')
    return tags.get(_TIFF_PHOTOMETRIC) in _TIFF_GREY_OR_RGB


def _tiff_tags(data: bytes) -> dict[int, Any]:
    """Of the first page; none where Pillow dislikes something, which it will say when it decodes."""
    try:
        with open_image(data, 'TIFF') as header:
            return dict(getattr(header, 'tag_v2', {}))
    except Exception:  # its plugins raise many kinds
        return {}


def _plain_png(data: bytes) -> np.ndarray | None:
    """The usual PNG, 8-bit RGB and upright, by a decoder twice as fast as OpenCV's; None = another kind.

    It is strict: a file with a wrong checksum is refused, and OpenCV and Pillow then have their say.
    """
    # Signature, length and name of the header chunk, width, height; then 8 bits, RGB, not interlaced.
    if len(data) < 33 or data[24:29] != b'\x08\x02\0\0\0' or not _PNG_UNUSUAL.isdisjoint(chunk_names(data)):
        return None
    width, height = int.from_bytes(data[16:20], 'big'), int.from_bytes(data[20:24], 'big')
    if width * height > MOST_PIXELS:
        return None
    try:
        return np.asarray(png.decode_image_png_u8(data, (height, width), 'rgb'))
    except (KeyboardInterrupt, SystemExit):
        raise
    except (
        BaseException
    ):  # it raises bare ones, and where memory is short a Rust panic, which is no Exception
        return None


def _reduction(data: bytes, at_least: int | None) -> int | None:
    """OpenCV's flag for a JPEG at a fraction of its size; None = at its full size."""
    if at_least is None:
        return None
    try:
        with open_image(data, 'JPEG') as header:
            shorter = min(header.size)
    except Exception:  # decoding will say what is wrong
        return None
    return next((flag for factor, flag in _REDUCED if shorter // factor >= at_least), None)


def _with_opencv(data: bytes, flag: int | None = None) -> np.ndarray | None:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _READ_COLOUR if flag is None else flag)
    except cv2.error:  # e.g. more pixels than OpenCV accepts
        return None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        return None
    return image[..., ::-1]


def _with_pillow(data: bytes, kind: str, name: str) -> np.ndarray:
    try:
        with open_image(data, kind) as opened:
            mode = opened.mode
            image = upright(opened)
            if mode.startswith('I;16'):
                grey = np.asarray(image).astype(np.uint16)
                return np.repeat(grey[..., None], 3, axis=2)
            if mode not in ('I', 'F'):
                return np.asarray(image.convert('RGB'))
    except Exception as error:  # Pillow's plugins raise many kinds; all mean that this file is no good
        reason = 'unknown kind of pixels' if type(error).__name__ == 'UnidentifiedImageError' else error
        if kind == 'TIFF' and (pixels := _tiff_pixels(data)):
            reason = f'{reason}; it announces {pixels}'
        raise ImageError(
            f'{name}: the {kind} file is truncated, damaged or of a kind that is not read ({reason}); '
            'expected grey or colours, perhaps with alpha, as whole numbers of 8 or 16 bits'
        ) from error
    pixels = _tiff_pixels(data) or '32 bits per channel'
    raise ImageError(f'{name}: 8 or 16 bits per channel were expected, this {kind} file has {pixels}')


def _tiff_pixels(data: bytes) -> str | None:
    """What a TIFF file says about its pixels, in words; None = nothing that could be read."""
    tags = first_directory(data)
    try:
        bits = tags[_TIFF_BITS]
        kind = {2: 'signed whole numbers', 3: 'floating-point numbers'}.get(
            tags.get(_TIFF_SAMPLES, (1,))[0], 'whole numbers'
        )
        return f'{len(bits)} channel(s) of {kind} of {max(bits)} bits'
    except Exception:  # a damaged tag may hold anything
        return None
