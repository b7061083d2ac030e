"""Two pictures side by side, for looking at them."""

from __future__ import annotations

import numpy as np

from cclgan_plugin.data.image_file import encode_image

#: Width of the white line between them, in pixels, and the longest side of what is shown.
_GAP, _LONGEST = 6, 8000


def side_by_side(before: np.ndarray, after: np.ndarray) -> bytes:
    """``before | after`` as a JPEG file; very large pictures are shown smaller.

    Args:
        before: ``(H, W, 3)``, uint8 or uint16.
        after: of the same shape and type.
    """
    step = -(-max(before.shape[0], 2 * before.shape[1] + _GAP) // _LONGEST)
    before, after = before[::step, ::step], after[::step, ::step]
    gap = np.full((before.shape[0], _GAP, 3), np.iinfo(before.dtype).max, before.dtype)
    return encode_image(np.concatenate([before, gap, after], axis=1), '.jpg')
