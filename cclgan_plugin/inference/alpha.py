"""The transparency of image files: where it is kept, and whether the colours are multiplied by it."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from cclgan_plugin.data.exif import orientation_of, turned, upright
from cclgan_plugin.data.grey_alpha_tiff import grey_and_alpha

_TIFF_EXTRA_SAMPLES, _ASSOCIATED = 338, 1


def colours_and_alpha(
    data: bytes, header: Image.Image, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours ``(H, W, 3)`` and alpha ``(H, W)`` of one type, upright; None where alpha cannot be told.

    Both come from one decoder, because decoders differ about which way a picture is up whose EXIF is damaged.

    Args:
        data: the file.
        header: the file as Pillow has opened it.
        pixels: its colours, upright.
    """
    if pixels.dtype == np.uint8:
        both = np.asarray(upright(header).convert('RGBA'))
        return both[..., :3], both[..., 3]
    if header.format == 'TIFF' and (grey := grey_and_alpha(data, 'the picture')) is not None:
        return pixels, grey[..., 1]
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is not None and found.ndim == 2:
        # Grey with one value that is transparent, which OpenCV does not look at.
        found = np.dstack([found] * 3 + [np.where(found == header.info.get('transparency'), 0, 65535)])
    if found is None or found.ndim != 3 or found.shape[2] != 4:
        return pixels, None
    if header.format != 'TIFF':
        # Of pictures that it reads unchanged, OpenCV turns TIFF files only.
        found = turned(found.astype(np.uint16, copy=False), orientation_of(header))
        return found[..., 2::-1], found[..., 3]
    alpha = found[..., 3].astype(np.uint16)
    return pixels, alpha if alpha.shape == pixels.shape[:2] else None


def is_associated(header: Image.Image) -> bool:
    """Whether the colours of a TIFF file are multiplied by alpha; Pillow undoes that, with 8 bits."""
    extra = getattr(header, 'tag_v2', {}).get(_TIFF_EXTRA_SAMPLES, ())
    return _ASSOCIATED in (extra if isinstance(extra, tuple) else (extra,))


def freed_of(alpha: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """16-bit colours divided by alpha."""
    colours = pixels.astype(np.float32) * (65535 / np.maximum(alpha, 1).astype(np.float32))[..., None]
    return np.rint(np.minimum(colours, 65535)).astype(np.uint16)
