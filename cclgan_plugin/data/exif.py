"""Which way an image is up, by its EXIF alone."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

#: The EXIF tag of eight ways to hold a camera.
ORIENTATION = 0x0112

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(image: Image.Image) -> int:
    """1 to 8; 1 = upright, also where the EXIF is damaged, which is no reason to refuse the picture.

    Not ``image.getexif()``: that listens to XMP too, which OpenCV does not.

    Args:
        image: as Pillow has opened it; no TIFF file, whose orientation is a tag of its own.
    """
    exif = Image.Exif()
    try:
        exif.load(image.info.get('exif') or b'')
        found = exif.get(ORIENTATION, 1)
    except Exception:  # Pillow's readers raise many kinds
        return 1
    return found if found in _TURNS else 1


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says, decoded."""
    if image.format == 'TIFF':
        # Pillow turns it as it decodes it; without its XMP, by nothing but the tag.
        image.info.pop('xmp', None)
        return ImageOps.exif_transpose(image)
    image.load()
    turn = _TURNS.get(orientation_of(image))
    return image if turn is None else image.transpose(turn)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels ``(H, W[, C])`` made upright: EXIF's eight orientations."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    across, down = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    return pixels[:: -1 if down else 1, :: -1 if across else 1]
