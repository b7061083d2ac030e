"""Pictures that people look at: labelled rows of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from cclgan_plugin.data.image_file import encode_image
from cclgan_plugin.training.run_files import write_run_file

_CAPTION = 22  # pixels above each image
_LEGIBLE = 150  # pixels that a caption needs


def to_uint8(image: Tensor) -> np.ndarray:
    """``(3, H, W)`` RGB in [0, 1] (clamped) to ``(H, W, 3)`` RGB uint8."""
    array = image.detach().float().clamp(0, 1).mul(255).round().cpu().numpy()
    return array.astype(np.uint8).transpose(1, 2, 0)


def labelled_row(images: Mapping[str, np.ndarray]) -> np.ndarray:
    """Images side by side, each under its caption.

    Args:
        images: ``(H, W, 3)`` RGB uint8 by caption; heights and widths may differ.

    Returns:
        One ``(H', W', 3)`` RGB uint8 image; images too small for their captions are enlarged, all alike.
    """
    factor = max(1, -(-_LEGIBLE // min(image.shape[1] for image in images.values())))
    images = {k: np.repeat(np.repeat(v, factor, axis=0), factor, axis=1) for k, v in images.items()}
    height = max(image.shape[0] for image in images.values())
    columns = []
    for caption, image in images.items():
        column = np.full((height + _CAPTION, image.shape[1] + 4, 3), 255, np.uint8)
        column[_CAPTION : _CAPTION + image.shape[0], 2:-2] = image
        cv2.putText(column, caption, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (20, 20, 20), 1, cv2.LINE_AA)
        columns.append(column)
    return np.concatenate(columns, axis=1)


def save_png(image: np.ndarray, path: str | Path) -> None:
    """Write an ``(H, W, 3)`` RGB uint8 image, making its folder.

    Raises:
        TrainingError: the file cannot be written.
    """
    write_run_file(path, encode_image(image, '.png'))
