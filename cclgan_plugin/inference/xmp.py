"""XMP: metadata beside EXIF, in which editors keep titles, ratings and rights."""

from __future__ import annotations

import re

from PIL import Image

# As attribute or as element.
_ORIENTATION = re.compile(
    rb'\s*\btiff:Orientation\s*=\s*(["\'])\s*\d*\s*\1'
    rb'|<tiff:Orientation>\s*\d*\s*</tiff:Orientation>'
)
# What describes other parts of the file: more XMP, depth, a gain map, a video.
_ELSEWHERE = re.compile(rb'HasExtendedXMP|Container:Directory|MotionPhoto|MicroVideo|GDepth:|GImage:|hdrgm:')


def xmp_of(image: Image.Image) -> bytes | None:
    """What a JPEG or WebP file says, for a picture that has been turned upright and stands alone.

    Orientations are left out: those of EXIF have been applied, and readers that listen to XMP too would turn
    the picture once more. Where it describes further parts of the file, which the result does not have, all
    of it is left out.

    Args:
        image: as Pillow has opened it.
    """
    found = image.info.get('xmp')
    if image.format not in ('JPEG', 'MPO', 'WEBP') or not isinstance(found, bytes):
        return None
    return None if _ELSEWHERE.search(found) else _ORIENTATION.sub(b'', found) or None
