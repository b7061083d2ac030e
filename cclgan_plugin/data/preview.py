"""Pictures side by side with headings, to look at a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np

_T = TypeVar('_T')

_GAP = 4
_HEADING = 24
_PAPER = 255


def side_by_side(rows: Sequence[Sequence[np.ndarray]], headings: Sequence[str]) -> np.ndarray:
    """A table of pictures of one size.

    Args:
        rows: pictures ``(H, W, 3)``, uint8, RGB; every row has as many as there are headings.
        headings: one per column.

    Returns:
        The table, uint8 ``(H', W', 3)``.
    """
    height, width = rows[0][0].shape[:2]
    shape = (_HEADING + len(rows) * (height + _GAP), len(headings) * (width + _GAP) + _GAP, 3)
    table = np.full(shape, _PAPER, np.uint8)
    for column, heading in enumerate(headings):
        left = _GAP + column * (width + _GAP)
        place, black = (left, _HEADING - 8), (0, 0, 0)
        cv2.putText(table, heading, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, black, 1, cv2.LINE_AA)
        for row, pictures in enumerate(rows):
            top = _HEADING + row * (height + _GAP)
            table[top : top + height, left : left + width] = pictures[column]
    return table


def spread(names: Sequence[_T], most: int) -> list[_T]:
    """At most so many of the names (or indices), evenly spread over all of them."""
    count = min(most, len(names))
    return [names[place * len(names) // count] for place in range(count)]


def middle(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of a picture ``(H, W, ...)``, a view ``(height, width, ...)``; it is at least that large."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
