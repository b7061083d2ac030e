"""A few numbers per image by which the same scene is known again, with or without rain, in another size.

Perceptual hashes compare 64 bits of brightness, and bright areas are alike in many photographs. What is
compared here is the scene's structure, by correlation, without what is narrow and bright, as streaks are.
Of the pairs of strangers among 600 photographs of the usual deraining sets (180,000) two reached 0.79 and
nearly none 0.7. A scene and its rainy version have 0.93 or more under this package's rain, and in the median
0.96 under its downpour, 0.92 under its storm and in Rain100H (0.85 or more: 95, 87, 75 percent). Thumbnails
of plain brightness have strangers at 0.89 and the same scenes from 0.88 on.
"""

from __future__ import annotations

import cv2
import numpy as np

#: Length of a signature: a thumbnail of 16x16.
SIDE = 16
# Before that: the image at this size, and the width there of what is narrow.
_MIDDLE, _NARROW = 128, 5
# Sigma, in thumbnail pixels, of what counts as light and dark areas rather than as structure.
_COARSE = SIDE / 6
# Grey levels (of 255) of structure, root mean square, below which an image is called flat.
_FLAT = 0.3


def signature(image: np.ndarray) -> np.ndarray:
    """The signature of one image; the scalar product of two is their correlation.

    A grey 16x16 thumbnail (averaged over areas, whatever the aspect ratio was, after narrow bright things
    were filled in from their sides) less its own blurred version, with mean 0 and length 1.

    Args:
        image: ``(H, W, 3)`` RGB, uint8 or uint16.

    Returns:
        float32 ``(256,)``; all zeros if the image is flat, so that it resembles nothing.
    """
    full = np.float32(np.iinfo(image.dtype).max)
    # Shrunk before it becomes grey and float, which is faster and nearly the same.
    middle = cv2.resize(np.ascontiguousarray(image), (_MIDDLE, _MIDDLE), interpolation=cv2.INTER_AREA)
    fine = middle.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) * (255 / full)
    dry = cv2.morphologyEx(fine, cv2.MORPH_OPEN, np.ones((1, _NARROW), np.uint8))
    grey = cv2.resize(dry, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    structure = grey - cv2.GaussianBlur(grey, (0, 0), _COARSE)
    structure -= structure.mean()
    length = float(np.linalg.norm(structure))
    if length < _FLAT * SIDE:
        return np.zeros(SIDE * SIDE, np.float32)
    return (structure / length).ravel()


def mirrored(signatures: np.ndarray) -> np.ndarray:
    """The signatures ``(N, 256)`` of the same images mirrored left to right."""
    return signatures.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(signatures), SIDE * SIDE)
