"""The pixels of a JPEG file of the usual kind: all of them, or the upper rows only."""

from __future__ import annotations

import numpy as np
import simplejpeg

from cclgan_plugin.data.jpeg import UsualJpeg, usual_jpeg

# The next row of colours takes part: where they have half the height, they are interpolated.
_MARGIN = 2


def decode_usual_jpeg(data: bytes) -> np.ndarray | None:
    """A whole, upright JPEG file as RGB, in 0.9 of OpenCV's time and to the same bits.

    Args:
        data: a file that begins with the start-of-image marker.

    Returns:
        uint8 ``(H, W, 3)``; None = of another kind, cut off, or the decoder complains, and another decoder
        should have its say.
    """
    header = usual_jpeg(data)
    return _decode(data, strict=True) if header is not None and _is_plain(data, header) else None


def decode_upper_rows(data: bytes, header: UsualJpeg, rows: int) -> np.ndarray | None:
    """The upper rows of a JPEG file, the same as of the whole picture, without decoding those below.

    The file is told to be less high; the decoder then stops early. Rows at the top cannot be left out:
    compressed data are read from the front.

    Args:
        data: the file.
        header: what :func:`~cclgan_plugin.data.jpeg.usual_jpeg` says of it.
        rows: how many, 1..H.

    Returns:
        uint8 ``(rows, W, 3)``, RGB; None = turned by EXIF, in several scans (which have to be read to the end
        all the same), cut off, or undecodable.
    """
    if not header.in_one_scan or not _is_plain(data, header):
        return None
    height = min(header.height, rows + _MARGIN)
    lower = data[: header.height_at] + height.to_bytes(2, 'big') + data[header.height_at + 2 :]
    # Strict, it would complain of the data of the rows that are not asked for. Those have to be the last that
    # it reads, in one scan: once it has had something to complain of, it keeps silent about worse.
    image = _decode(lower, strict=False)
    return None if image is None else image[:rows]


def is_sound_jpeg(data: bytes) -> bool:
    """Whether the compressed data of a JPEG file make sense, as far as a decoder can tell.

    OpenCV and Pillow return a picture whatever stands in the data, with a wrong or grey rest. This decodes
    it once more and minds what the decoder complains of. Of rare kinds (CMYK, arithmetic coding) it knows
    nothing and says yes.

    Args:
        data: a file that begins with the start-of-image marker.
    """
    if usual_jpeg(data) is None:
        return True
    try:
        simplejpeg.decode_jpeg(data, 'RGB')
    except MemoryError:
        return True
    except ValueError as error:
        # Rare sizes of the colour planes are beyond it, which says nothing of the data.
        return 'subsampling' in str(error)
    return True


def _is_plain(data: bytes, header: UsualJpeg) -> bool:
    """Whether it is upright, and its end is there with nothing behind it."""
    return header.upright and data.endswith(b'\xff\xd9')


def _decode(data: bytes, strict: bool) -> np.ndarray | None:
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, 'RGB', strict=strict))
    except (ValueError, MemoryError):
        return None
