"""Rain as image editors make it: noise, smeared along the fall, and laid over a photograph.

Most of the rain that derainers are tested on was made so. It is no physics: its streaks are all at one
distance, of any strength, cross each other, and may cover half of the picture.
"""

from __future__ import annotations

import cv2
import numpy as np

Image = np.ndarray


def with_noise_rain(image: Image, rng: np.random.Generator) -> Image:
    """The picture in such rain.

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        rng: decides how much, how long, how bright and at which angle.

    Returns:
        A new picture of the same shape and type.
    """
    clean = image.astype(np.float32) / 255
    fall = rng.uniform(-50, 50)
    streaks = np.zeros(image.shape[:2], np.float32)
    for _ in range(int(rng.choice([1, 2, 3, 5], p=[0.5, 0.25, 0.15, 0.1]))):
        angle = fall + rng.normal(0, 4) if rng.random() < 0.7 else rng.uniform(-50, 50)
        streaks += _streaks(image.shape[:2], angle, rng)
    rain = (streaks.clip(0, 1) * rng.uniform(0.1, 1))[..., None]
    mixed = rng.choice(['added', 'screened', 'covering'], p=[0.5, 0.3, 0.2])
    if mixed == 'added':
        rained = clean + rain
    elif mixed == 'screened':
        rained = 1 - (1 - clean) * (1 - rain)
    else:
        light = rng.uniform(0.6, 1) + rng.normal(0, 0.02, 3).astype(np.float32)
        rained = clean * (1 - rain) + light * rain
    return np.rint(rained.clip(0, 1) * 255).astype(np.uint8)


def _streaks(shape: tuple[int, int], angle: float, rng: np.random.Generator) -> Image:
    """How much of each pixel is streak, ``(H, W)`` in [0, 1]; ``angle`` in degrees from the vertical."""
    coarse = _even(rng, 0.8, 2.5)
    small = max(1, round(shape[0] / coarse)), max(1, round(shape[1] / coarse))
    drops = rng.random(small, np.float32) * (rng.random(small, np.float32) < _even(rng, 0.003, 0.1))
    drops = cv2.resize(drops, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    smeared = cv2.filter2D(drops, -1, _line(_even(rng, 6, 70), angle, rng.uniform(0.3, 1)))
    # Levels, as an editor's: what is dark becomes none, what is bright becomes all.
    low, high = np.quantile(smeared, [rng.uniform(0.2, 0.95), rng.uniform(0.98, 0.9995)])
    return ((smeared - low) / max(high - low, 1e-6)).clip(0, 1) ** rng.uniform(0.7, 1.5)


def _line(length: float, angle: float, sigma: float) -> Image:
    """A kernel that smears along a line, ``sigma`` pixels wide."""
    half = int(np.ceil(length / 2)) + 3
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    away = length / 2 * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    # Sixteenths of a pixel.
    ends = [tuple(int(value * 16) for value in half + sign * away) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 4)
    kernel = cv2.GaussianBlur(kernel, (0, 0), sigma)
    return kernel / kernel.sum()


def _even(rng: np.random.Generator, low: float, high: float) -> float:
    """Between two numbers, each ratio as likely as the next."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
