"""Pictures of nothing: shapes of all sizes over each other, filled with colours and pieces of photographs.

Their edges, occlusions and textures are spread as those of photographs are ("dead leaves": Lee, Mumford,
Huang, IJCV 2001), so that networks learn from them what they learn from photographs, of which few are free.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Image = np.ndarray


def collage(photographs: Sequence[Image], rng: np.random.Generator, side: int = 320) -> Image:
    """A picture out of pieces.

    Args:
        photographs: uint8 ``(H, W, 3)``, RGB, of any size.
        rng: decides everything.
        side: height and width of the picture.

    Returns:
        uint8 ``(side, side, 3)``.
    """
    picture = _filling(photographs, side, rng)
    largest = rng.uniform(0.15, 0.5) * side
    for _ in range(int(rng.uniform(10, 120))):
        # Each size covers as much of the picture as the next, down to 4 pixels, were they not on each other.
        radius = 1 / rng.uniform(1 / largest, 1 / 4)
        shape = _shape(side, radius, rng)[..., None]
        picture = picture * (1 - shape) + _filling(photographs, side, rng) * shape
    return np.rint(picture.clip(0, 255)).astype(np.uint8)


def _shape(side: int, radius: float, rng: np.random.Generator) -> Image:
    """How much of each pixel a shape covers, ``(side, side)`` in [0, 1]."""
    corners = int(rng.choice([3, 4, 5, 8, 24]))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) if rng.random() < 0.5 else None
    if angles is None:
        angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 2 * np.pi)
    stretch, turn = np.exp(rng.normal(0, 0.5)), rng.uniform(0, np.pi)
    points = np.stack([np.cos(angles) * stretch, np.sin(angles) / stretch], axis=1) * radius
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    outline = points @ rotation.T + rng.uniform(0, side, 2)
    covered = np.zeros((side, side), np.uint8)
    # Sixteenths of a pixel.
    cv2.fillPoly(covered, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    blur = rng.choice([0.0, 0.6, 1.5, 4.0], p=[0.3, 0.4, 0.2, 0.1])
    soft = covered.astype(np.float32) / 255
    return cv2.GaussianBlur(soft, (0, 0), blur) if blur else soft


def _filling(photographs: Sequence[Image], side: int, rng: np.random.Generator) -> Image:
    """A piece of a photograph in other colours, or a colour that fades along a line; ``(side, side, 3)``."""
    if rng.random() < 0.35:
        # Most things are nearly grey.
        first, last = (rng.uniform(0, 255) + rng.normal(0, rng.uniform(5, 60), 3) for _ in range(2))
        along = np.linspace(0, 1, side, dtype=np.float32)[:, None, None] * rng.uniform(0, 1)
        ramp = np.broadcast_to(first * (1 - along) + last * along, (side, side, 3)).astype(np.float32)
        return ramp.transpose(1, 0, 2) if rng.random() < 0.5 else ramp
    photograph = photographs[int(rng.integers(len(photographs)))]
    scale, turn = np.exp(rng.uniform(np.log(0.4), np.log(1.5))), rng.uniform(0, 360)
    centre = rng.uniform(0, (photograph.shape[1], photograph.shape[0]))
    where = cv2.getRotationMatrix2D(centre.tolist(), turn, scale)
    where[:, 2] += side / 2 - centre
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    smooth = cv2.GaussianBlur(photograph, (0, 0), 0.5 / scale) if scale < 0.9 else photograph
    piece = cv2.warpAffine(smooth, where, (side, side), flags=how, borderMode=cv2.BORDER_REFLECT)
    return _recoloured(piece.astype(np.float32), rng)


def _recoloured(piece: Image, rng: np.random.Generator) -> Image:
    """Other colours, contrast and brightness."""
    if rng.random() < 0.3:
        piece = piece[..., rng.permutation(3)]
    grey = piece.mean(axis=2, keepdims=True)
    piece = grey + (piece - grey) * rng.uniform(0, 1.5)
    middle = piece.mean()
    return (piece - middle) * rng.uniform(0.4, 1.3) + middle + rng.normal(0, 40) + rng.normal(0, 12, 3)
