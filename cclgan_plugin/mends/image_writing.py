"""A full disk leaves pictures empty or cut short, exit code 0; or the run ends with a traceback and
``Failed in writing images.``, which names neither the file nor the reason.

In every release: ``imwrite`` is OpenCV's, which does not ask whether the end of a file was written, and
keeps the reason of what it notices to itself. May go when pictures are written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2
import numpy as np
from basicsr.utils import img_util

from cclgan_plugin.errors import DataError, line_of
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace
from cclgan_plugin.whole_file import write_whole

__all__ = ['apply', 'imwrite', 'needed']


def imwrite(
    img: np.ndarray,
    file_path: str | os.PathLike[str],
    params: Sequence[int] | None = None,
    auto_mkdir: bool = True,
) -> None:
    """Write a picture whole or not at all; the bytes are those of ``cv2.imwrite``.

    Args:
        img: (H, W, 3) BGR or (H, W).
        file_path: its ending says the format.
        params: OpenCV's settings of the format.
        auto_mkdir: make the folder if there is none.

    Raises:
        DataError: it cannot be written, e.g. the disk is full or OpenCV does not write this format.
    """
    path = os.fspath(file_path)
    data = _encoded(img, path, params)
    # write_whole would make it.
    if not auto_mkdir and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise DataError(f'{path}: cannot be written: there is no such folder')
    write_whole(path, data)


def _encoded(img: np.ndarray, path: str, params: Sequence[int] | None) -> bytes:
    ending = os.path.splitext(path)[1]
    if not cv2.haveImageWriter(f'picture{ending}'):
        raise DataError(f'{path}: OpenCV writes no pictures with the ending "{ending}"')
    try:
        done, data = cv2.imencode(ending, img, [] if params is None else params)
    except cv2.error as error:
        raise DataError(f'{path}: cannot be written: {line_of(error)}') from error
    if not done:  # OpenCV has told the reason on stderr
        height, width = img.shape[:2]
        raise DataError(f'{path}: a picture of {width}x{height} cannot be written as {ending}')
    return data.tobytes()


def apply() -> None:
    """Write the pictures of every model this way."""
    replace(img_util.imwrite, imwrite)
