"""Image files with all that belongs to them: bit depth, alpha, colour profile and EXIF survive deraining."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from cclgan_plugin.data.decode import decode_image, format_of
from cclgan_plugin.data.exif import ORIENTATION
from cclgan_plugin.data.grey_alpha_tiff import for_pillow
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_file import eight_bits
from cclgan_plugin.data.image_folder import IMAGE_EXTENSIONS
from cclgan_plugin.data.image_header import EXTENSIONS
from cclgan_plugin.data.jpeg_pixels import decode_usual_jpeg, is_sound_jpeg
from cclgan_plugin.data.open_image import open_image
from cclgan_plugin.data.sources import read_bytes
from cclgan_plugin.errors import DataError
from cclgan_plugin.inference.alpha import colours_and_alpha, freed_of, is_associated
from cclgan_plugin.inference.pixels import LUMA
from cclgan_plugin.inference.png_file import (
    colour_chunks,
    is_grey_with_alpha,
    png16,
    with_chunks,
    without_texts,
)
from cclgan_plugin.inference.xmp import xmp_of

_JPEG = ('.jpg', '.jpeg', '.jpe', '.jfif')
_TIFF = ('.tif', '.tiff')
_GREY = ('1', 'L', 'LA', 'La')
_WITH_ALPHA = ('.png', '.webp', *_TIFF)
#: BMP and PNG count by metre, in 32 bits.
_DPI_LIMIT = 1e6
_EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x8769, 0x8825, 0xA005
_WIDTH, _HEIGHT, _EXIF_SIZE = 0x100, 0x101, (0xA002, 0xA003)
#: What the interoperability IFD says: sRGB, Adobe RGB, or a thumbnail.
_INTEROP_INDEXES = ('R98', 'R03', 'THM')
#: Of a TIFF file's tags, those that speak of the picture; the others say how the file is laid out.
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)


@dataclass(frozen=True)
class Picture:
    """A picture out of a file.

    Attributes:
        pixels: ``(H, W, 3)`` RGB, uint8 or uint16, upright.
        alpha: ``(H, W)`` of the same type, or None.
        grey: the file has no colours.
        icc: colour profile, or None.
        exif: metadata without the orientation, which has been applied; or None.
        dpi: pixels per inch, or None.
        kind: PNG, JPEG, BMP, WEBP or TIFF.
        colour_chunks: of a PNG file, those that say which colours the numbers stand for, as they stand there.
        xmp: of a JPEG or WebP file, see :func:`~cclgan_plugin.inference.xmp.xmp_of`; or None.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    grey: bool
    icc: bytes | None
    exif: bytes | None
    dpi: tuple[float, float] | None
    kind: str
    colour_chunks: bytes = b''
    xmp: bytes | None = None


def read_picture(path: str) -> Picture:
    """Read an image file; its content decides how, not its name.

    Raises:
        ImageError: it is missing, unreadable, truncated, damaged, no image, or an animation.
    """
    data = read_bytes(path)
    pixels = _decoded(data, path)
    kind = format_of(data)
    assert kind is not None
    try:
        with open_image(_for_pillow(data, kind), kind) as header:
            frames = getattr(header, 'n_frames', 1)
            if frames > 1 and header.format in ('PNG', 'WEBP', 'TIFF'):
                raise ImageError(
                    f'{path}: it holds {frames} frames or pages; give them one by one, or as a video'
                )
            mode, info, stored = header.mode, dict(header.info), _stored_size(header)
            dpi = _dpi(info.get('dpi'))
            transparent = header.has_transparency_data
            exif, xmp = _exif_or_none(header), xmp_of(header)
            alpha = None
            if transparent:
                pixels, alpha = colours_and_alpha(data, header, pixels)
            if alpha is not None and alpha.dtype == np.uint16 and is_associated(header):
                pixels = freed_of(alpha, pixels)
    except ImageError:
        raise
    except Exception as error:  # Pillow's plugins raise many kinds
        raise ImageError(f'{path}: its metadata are damaged ({error})') from error
    height, width = pixels.shape[:2]
    if exif is not None and stored != (width, height):
        exif = _with_size(exif, width, height)
    # A profile of four inks or of Lab says nothing about the red, green and blue that the picture has become.
    icc = None if mode in ('CMYK', 'LAB') else info.get('icc_profile')
    is_png = kind == 'PNG'
    grey = mode in _GREY or mode.startswith('I;16') or (is_png and is_grey_with_alpha(data))
    chunks = colour_chunks(data) if is_png else b''
    return Picture(pixels, alpha, grey, icc or None, exif, dpi, kind, chunks, xmp)


def _for_pillow(data: bytes, kind: str) -> bytes:
    """The file without what Pillow would refuse it for, though its pixels have been decoded."""
    if kind == 'TIFF':
        return for_pillow(data)
    return without_texts(data) if kind == 'PNG' else data


def _decoded(data: bytes, path: str) -> np.ndarray:
    """:func:`decode_image`, but a JPEG whose data make no sense is refused, not filled up with grey."""
    is_jpeg = format_of(data) == 'JPEG'
    # This decoder minds damage. It does not turn pictures; of those it is asked a second time.
    pixels = decode_usual_jpeg(data) if is_jpeg else None
    if pixels is None:
        pixels = decode_image(data, path)
        if is_jpeg and not is_sound_jpeg(data):
            raise ImageError(
                f'{path}: the JPEG file is damaged: its compressed data make no sense, part of the picture '
                'would be grey or wrong; if it looks right in a viewer, save it anew there'
            )
    return pixels


def encode_picture(pixels: np.ndarray, picture: Picture, extension: str) -> bytes:
    """Encode derained pixels as a file like that of ``picture``, as far as the format can hold it.

    PNG, TIFF, BMP and WebP are lossless; JPEG has quality 95 and full colour resolution. Where the format has
    no 16 bits, 8 are written; where it has no alpha, it is left out. From PNG to PNG, what says which colours
    the numbers stand for goes along; from JPEG to JPEG and from WebP to WebP, XMP does. A TIFF file of 16
    bits gets the tags of EXIF that describe the picture, but neither camera settings nor a place.

    Args:
        pixels: ``(H, W, 3)``, of the type of ``picture.pixels``.
        picture: what was read.
        extension: of the file to write, such as ``.png``; with none of an image, the format is that of the
            file that was read.

    Raises:
        DataError: the format cannot hold it, e.g. it is too large for WebP or JPEG.
    """
    extension = extension.lower()
    if extension not in IMAGE_EXTENSIONS:
        extension = EXTENSIONS[picture.kind]
    alpha = picture.alpha if extension in _WITH_ALPHA else None
    if picture.grey:
        pixels = _grey(pixels)
    if pixels.dtype == np.uint16 and extension not in ('.png', *_TIFF):
        pixels, alpha = eight_bits(pixels), None if alpha is None else eight_bits(alpha)
    if _is_of_grey(picture.icc) and (pixels.ndim == 3 or extension == '.webp'):
        # WebP has colours only, of which a profile of grey says nothing.
        picture = replace(picture, icc=None)
    pixels = _with_alpha(pixels, alpha)
    try:
        if pixels.dtype == np.uint8:
            data = _eight_bit_file(pixels, picture, extension)
        elif extension == '.png':
            data = png16(pixels, picture.icc, picture.dpi, picture.exif)
        else:
            data = _tiff16(pixels, picture)
        return with_chunks(data, picture.colour_chunks) if extension == '.png' else data
    except (OSError, ValueError, cv2.error, struct.error) as error:
        height, width = pixels.shape[:2]
        raise DataError(f'a picture of {width}x{height} cannot be written as {extension}: {error}') from error


def _is_of_grey(icc: bytes | None) -> bool:
    """By the colour space in a profile's header (ICC.1, 7.2.6)."""
    return icc is not None and icc[16:20] == b'GRAY'


def _dpi(found: Any) -> tuple[float, float] | None:
    """A resolution that can be written again: files may say 300/0 (not a number here), or 4294967295."""
    if found is None:
        return None
    x, y = (float(value) for value in found)
    return (x, y) if 0 < x < _DPI_LIMIT and 0 < y < _DPI_LIMIT else None


def _grey(pixels: np.ndarray) -> np.ndarray:
    # In strips, because the sum is taken in float64, eight times the size of 8 bits.
    strips = (np.rint(pixels[i : i + 256] @ np.array(LUMA)) for i in range(0, len(pixels), 256))
    return np.concatenate([strip.astype(pixels.dtype) for strip in strips])


def _exif_or_none(image: Image.Image) -> bytes | None:
    try:
        return _exif(image)
    except Exception:  # damaged, which is no reason to refuse the picture; Pillow's readers raise many kinds
        return None


def _exif(image: Image.Image) -> bytes | None:
    found = image.getexif()
    kept = _copied(found, _DESCRIPTIVE if image.format == 'TIFF' else tuple(found))
    return kept.tobytes() if len(kept) else None


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height before the picture is turned; Pillow says those of a TIFF file as if it were."""
    tags = getattr(image, 'tag_v2', None)
    return (tags[_WIDTH], tags[_HEIGHT]) if tags else image.size


def _with_size(exif: bytes, width: int, height: int) -> bytes:
    """EXIF of a picture that has been turned: where it says a size, that of the upright picture."""
    found = _loaded(exif)
    kept = _copied(found, tuple(found))
    for tags, across, down in ((kept, _WIDTH, _HEIGHT), (kept.get_ifd(_EXIF_IFD), *_EXIF_SIZE)):
        tags.update({tag: size for tag, size in ((across, width), (down, height)) if tag in tags})
    return kept.tobytes()


class _Text(str):
    """Text of EXIF: Pillow reads any bytes as Latin-1, and would write all but ASCII as question marks."""

    def encode(self, encoding: str = 'latin-1', errors: str = 'strict') -> bytes:
        """The bytes that were read, whatever Pillow asks for."""
        return super().encode('latin-1')


def _copied(found: Image.Exif, tags: Collection[int]) -> Image.Exif:
    """What Pillow writes as it was read: ``tags``, camera settings and place."""
    kept = Image.Exif()
    for tag, value in found.items():
        if tag in tags and tag not in (ORIENTATION, _EXIF_IFD, _GPS_IFD):
            kept[tag] = _unchanged(value)
    for ifd in (_EXIF_IFD, _GPS_IFD):
        inner = {tag: _unchanged(value) for tag, value in found.get_ifd(ifd).items()}
        # Its offset in the old file leads nowhere now; in many files it did so before.
        if inner.pop(_INTEROP_IFD, None) is not None:
            interop = found.get_ifd(_INTEROP_IFD)
            if interop.get(1) in _INTEROP_INDEXES:
                inner[_INTEROP_IFD] = interop
        if inner:
            kept.get_ifd(ifd).update(inner)
            kept[ifd] = kept.get_ifd(ifd)
    return kept


def _loaded(exif: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(exif)
    return found


def _unchanged(value: Any) -> Any:
    return _Text(value) if isinstance(value, str) else value


def _with_alpha(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    if alpha is None:
        return pixels
    return np.dstack([pixels, alpha])


def _eight_bit_file(pixels: np.ndarray, picture: Picture, extension: str) -> bytes:
    mode = None if pixels.ndim == 2 or pixels.shape[2] != 2 else 'LA'
    image = Image.fromarray(np.ascontiguousarray(pixels), mode) if mode is None else _grey_alpha(pixels)
    settings: dict[str, Any] = {'icc_profile': picture.icc, 'exif': picture.exif, 'dpi': picture.dpi}
    if extension in _JPEG:
        kind = 'JPEG'
        settings |= {'quality': 95, 'subsampling': 0}
        settings |= {'xmp': picture.xmp if picture.kind == 'JPEG' else None}
    elif extension == '.png':
        kind = 'PNG'
        # One of nine levels: the files are 2 % larger than with three, and written a quarter faster.
        settings |= {'compress_level': 1}
    elif extension == '.webp':
        kind = 'WEBP'
        settings |= {'lossless': True, 'exact': True, 'method': 2}
        settings |= {'xmp': picture.xmp if picture.kind == 'WEBP' else None}
    elif extension in _TIFF:
        kind = 'TIFF'
        # Compressed, Pillow leaves out the inner parts of EXIF.
        settings |= {'compression': 'raw' if picture.exif else 'tiff_deflate'}
        if picture.exif:
            # Of bytes, Pillow would read the texts again.
            found = _loaded(picture.exif)
            settings['exif'] = _copied(found, tuple(found))
    else:
        kind = 'BMP'
        settings = {'dpi': picture.dpi}
    buffer = io.BytesIO()
    image.save(buffer, kind, **{key: value for key, value in settings.items() if value is not None})
    return buffer.getvalue()


def _grey_alpha(pixels: np.ndarray) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0]))
    image.putalpha(Image.fromarray(np.ascontiguousarray(pixels[..., 1])))
    return image


def _tiff16(pixels: np.ndarray, picture: Picture) -> bytes:
    import tifffile

    tags = []
    if picture.exif:
        found = _loaded(picture.exif)
        # As bytes: of text, tifffile writes ASCII only.
        tags = [(tag, 2, 0, str(found[tag]).encode('latin-1'), True) for tag in _DESCRIPTIVE if tag in found]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.ascontiguousarray(pixels),
        photometric='minisblack' if channels < 3 else 'rgb',
        planarconfig='contig' if channels > 1 else None,
        extrasamples=['unassalpha'] if channels in (2, 4) else None,
        iccprofile=picture.icc,
        resolution=picture.dpi,
        resolutionunit='inch' if picture.dpi else None,
        compression='zlib',
        metadata=None,
        # Else its own name would stand beside that of the source's maker.
        software=False,
        extratags=tags,
    )
    return buffer.getvalue()
