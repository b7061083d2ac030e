"""How good derained pictures are: PSNR, SSIM, NIQE, the rain that is left and the content that is lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from basicsr.metrics import calculate_niqe, calculate_psnr, calculate_ssim
from tqdm import tqdm

from benchmarks.comparison.plan_files import TestSet
from benchmarks.comparison.training_data import read_picture, test_pictures

#: It rains where the luma of the rainy picture and of the truth differ by more than this, of 255.
RAIN = 8.0

Picture = Callable[[np.ndarray], np.ndarray]


def score(derain: Picture, test: TestSet, data: Path) -> dict[str, dict[str, float]]:
    """Figures of each picture of a test, by its name.

    Args:
        derain: maps a uint8 RGB picture ``(H, W, 3)`` to another.
        test: the pictures.
        data: the data folder.

    Returns:
        With a truth: ``psnr`` (dB) and ``ssim`` of BasicSR on the luma channel; ``rain_left``, the mean
        absolute error in luma where it rains over that of the rainy picture (1 = all rain is left);
        ``content_lost``, the mean absolute error where it does not rain, in grey levels of 255. ``niqe``
        where the test asks for it.
    """
    found = {}
    for name in tqdm(test_pictures(test, data), desc=test.name, unit='picture', disable=None):
        rainy = read_eight_bits(data / test.rainy / name)
        result = derain(rainy)
        values = {}
        if test.clean is not None:
            values |= _against_truth(result, rainy, read_eight_bits(data / test.clean / name))
        if test.niqe:
            values['niqe'] = niqe(result)
        # An untouched picture has an infinite PSNR, which no mean survives.
        found[name] = {key: value for key, value in values.items() if math.isfinite(value)}
    return found


def niqe(picture: np.ndarray) -> float:
    """NIQE (less is better) of a picture, uint8 ``(H, W, 3)``, RGB, of 192x192 pixels and more."""
    return float(calculate_niqe(picture[..., ::-1], crop_border=0))


def _against_truth(result: np.ndarray, rainy: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    pair = (result[..., ::-1], truth[..., ::-1])  # BasicSR's metrics take BGR
    values = {
        'psnr': float(calculate_psnr(*pair, crop_border=0, test_y_channel=True)),
        'ssim': float(calculate_ssim(*pair, crop_border=0, test_y_channel=True)),
    }
    before, after = np.abs(_luma(rainy) - _luma(truth)), np.abs(_luma(result) - _luma(truth))
    rain = before > RAIN
    if rain.any():
        values['rain_left'] = float(after[rain].sum() / before[rain].sum())
    if not rain.all():
        values['content_lost'] = float(after[~rain].mean())
    return values


def _luma(image: np.ndarray) -> np.ndarray:
    return image @ np.array([0.299, 0.587, 0.114], np.float32)


def read_eight_bits(file: Path) -> np.ndarray:
    """A picture as uint8 RGB pixels; of 16 bits the upper 8 are kept.

    Raises:
        DataError: it is missing or damaged.
    """
    image = np.ascontiguousarray(read_picture(file))
    return image if image.dtype == np.uint8 else (image // 257).astype(np.uint8)
