"""Two pictures side by side, for looking at them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cclgan_plugin.data.image_file import eight_bits, encode_image
from cclgan_plugin.errors import DataError
from cclgan_plugin.inference.jobs import Job

#: Width of the white line between them, in pixels, and the longest side of what is shown.
_GAP, _LONGEST = 6, 8000


def places(jobs: Sequence[Job], folder: str) -> dict[str, str]:
    """Where the picture of each job goes, by its name: ``b/a.jpg`` for ``b/a.png``.

    Where two differ in their extension only, it is ``b/a.png.jpg``; ``b/a.png.bmp`` then keeps off it.

    Raises:
        DataError: it would take the place of an input or of a result.
    """
    stems = Counter(os.path.splitext(job.name)[0].lower() for job in jobs)
    names = {job.name.lower() for job in jobs}
    taken = {os.path.realpath(path): path for job in jobs for path in (job.source, job.out)}
    found = {}
    for job in jobs:
        stem = os.path.splitext(job.name)[0]
        alone = stems[stem.lower()] == 1 and stem.lower() not in names
        place = os.path.join(folder, (stem if alone else job.name) + '.jpg')
        if os.path.realpath(place) in taken:
            raise DataError(
                f'--compare: {place} would take the place of an input or of a result; name another folder'
            )
        found[job.name] = place
    return found


def side_by_side(before: np.ndarray, after: np.ndarray) -> bytes:
    """``before | after`` as a JPEG file; very large pictures are shown smaller.

    Args:
        before: ``(H, W, 3)``, uint8 or uint16.
        after: of the same shape and type.

    Raises:
        DataError: they differ in size.
    """
    if before.shape != after.shape:
        (h, w), (height, width) = before.shape[:2], after.shape[:2]
        raise DataError(f'--compare: the result has {width}x{height} pixels, the input {w}x{h}')
    if before.dtype != after.dtype:
        before, after = eight_bits(before), eight_bits(after)
    step = -(-max(before.shape[0], 2 * before.shape[1] + _GAP) // _LONGEST)
    before, after = before[::step, ::step], after[::step, ::step]
    gap = np.full((before.shape[0], _GAP, 3), np.iinfo(before.dtype).max, before.dtype)
    return encode_image(np.concatenate([before, gap, after], axis=1), '.jpg')
