"""Where trained weights change a photograph without rain the most: what they should see more of."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

Image = np.ndarray

#: A tile a little larger than the crops of the trainings, so that those differ.
SIDE = 160


def hard_tiles(
    derain: Callable[[Image], Image], image: Image, below: float = 38.0, most: int = 4
) -> Iterator[Image]:
    """Squares of a dry photograph that come out changed, the worst first; none overlaps another.

    Args:
        derain: takes the rain out of an RGB picture, uint8 ``(H, W, 3)``.
        image: the photograph, likewise; ``SIDE`` pixels high and wide or more.
        below: PSNR in dB of the output against the photograph, over the square; those above are left out.
        most: how many at most.
    """
    change = ((derain(image).astype(np.float32) - image) ** 2).mean(axis=2)
    # Of each square, at its upper left corner.
    square = {'ddepth': -1, 'ksize': (SIDE, SIDE), 'anchor': (0, 0), 'borderType': cv2.BORDER_CONSTANT}
    height, width = image.shape[0] - SIDE + 1, image.shape[1] - SIDE + 1
    error = cv2.boxFilter(change, **square)[:height, :width]
    for _ in range(most):
        y, x = np.unravel_index(int(error.argmax()), error.shape)
        if error[y, x] <= 255**2 / 10 ** (below / 10):
            return
        yield image[y : y + SIDE, x : x + SIDE]
        error[max(0, y - SIDE + 1) : y + SIDE, max(0, x - SIDE + 1) : x + SIDE] = 0
