"""Pillow's look at an encoded image, up to the size that is read here."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterator

from PIL import Image

#: What OpenCV takes at most; a damaged header can say anything.
MOST_PIXELS = 1 << 30

# Pillow's limit is a variable of the whole process, not of a thread: the first to open an image lifts it, the
# last to be done puts it back.
_lock = threading.Lock()
_open = 0
_limit: int | None = None


@contextlib.contextmanager
def open_image(data: bytes, kind: str) -> Iterator[Image.Image]:
    """An image that Pillow has opened and not yet decoded.

    By itself Pillow refuses more than 179 megapixels, which a scanned map has, and warns from half that on.

    Args:
        data: the encoded image.
        kind: Pillow's name of its format, such as ``'TIFF'``.

    Raises:
        UnidentifiedImageError: it is of another kind or its header is damaged.
        ValueError: it has more than :data:`MOST_PIXELS`.
        Exception: of many kinds, by Pillow's plugins.
    """
    with any_size(), Image.open(io.BytesIO(data), formats=[kind]) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f'{image.width}x{image.height} pixels, at most {MOST_PIXELS} are read')
        yield image


@contextlib.contextmanager
def any_size() -> Iterator[None]:
    """Meanwhile Pillow has no limit of its own."""
    global _open, _limit
    with _lock:
        if _open == 0:
            _limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _open += 1
    try:
        yield
    finally:
        with _lock:
            _open -= 1
            if _open == 0:
                Image.MAX_IMAGE_PIXELS = _limit


def _forget_other_threads() -> None:
    """A forked process has none of those that had images open."""
    global _open
    if _open:
        _open, Image.MAX_IMAGE_PIXELS = 0, _limit
    _lock.release()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget_other_threads
    )
