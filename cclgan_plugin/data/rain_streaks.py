"""Falling drops and the streaks that they leave during an exposure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erf  # type: ignore[import-untyped]

from cclgan_plugin.data.rain_params import RainParams

# A drop of this diameter (mm) has the length, width and opacity that the parameters say.
_USUAL_DROP = 1.2
# Sigma in pixels of what a pixel itself blurs.
_PIXEL = 0.4
# Pixels drawn in one go, all streaks together; bounds the memory.
_CHUNK = 1_000_000


@dataclass(frozen=True)
class Streaks:
    """Streaks in an image, all arrays of one length, in pixels.

    Attributes:
        x, y: the middle.
        slope: angle from the vertical in radians; positive leans to the right downwards.
        length: distance that the drop falls during the exposure.
        sigma: half-width: the profile across is Gaussian.
        peak: optical depth in the middle of the streak; it covers the share 1 - exp(-peak).
    """

    x: np.ndarray
    y: np.ndarray
    slope: np.ndarray
    length: np.ndarray
    sigma: np.ndarray
    peak: np.ndarray


def fall(
    height: int, width: int, params: RainParams, rng: np.random.Generator, side: int | None = None
) -> Streaks:
    """Draws the drops in front of a camera.

    Drops fill the view evenly, so their number grows with the square of the distance z; length and width
    shrink as 1 / z. Sizes follow an exponential law (Marshall and Palmer 1948), and large drops fall
    faster, v = 9.65 - 10.3 exp(-0.6 D) m/s for D in mm (Atlas et al. 1973), so they leave longer streaks.
    The camera is focused behind the rain: the nearer a drop, the wider and fainter its blur.

    Args:
        height, width: the image's size in pixels.
        params: the rain.
        rng: decides everything.
        side: the shorter side that the parameters' shares refer to; None = that of the image. A crop takes
            that of the photograph it comes from.
    """
    side = side or min(height, width)
    margin = 0.5 * params.length * side
    area = (height + 2 * margin) * (width + 2 * margin) / side**2
    count = int(rng.poisson(params.density * area))
    z = np.cbrt(1 + rng.random(count) * (params.depth**3 - 1))
    diameter = np.minimum(0.6 + rng.exponential(0.6, count), 4) / _USUAL_DROP
    speed = _fall_speed(diameter * _USUAL_DROP) / _fall_speed(np.array(_USUAL_DROP))
    drop_sigma = params.width * side / 2.5 * diameter / z
    nearness = (1 / z - 1 / params.depth) / max(1 - 1 / params.depth, 1e-6)
    blur = params.blur * params.width * side / 2.5 * nearness
    sigma = np.sqrt(drop_sigma**2 + blur**2 + _PIXEL**2)
    cover = np.minimum(params.opacity * diameter / speed, 0.97)
    return Streaks(
        x=rng.uniform(-margin, width + margin, count),
        y=rng.uniform(-margin, height + margin, count),
        slope=np.deg2rad(np.clip(params.angle + params.angle_jitter * rng.standard_normal(count), -75, 75)),
        length=params.length * side * speed / z,
        sigma=sigma,
        # What blur spreads out it makes fainter.
        peak=-np.log1p(-cover) * drop_sigma / sigma * rng.uniform(0.4, 1, count),
    )


def draw(streaks: Streaks, height: int, width: int) -> np.ndarray:
    """The optical depth of all streaks, ``(height, width)`` float32; overlapping streaks add up.

    A streak is a line of the drop's path convolved with a Gaussian, in closed form: along the path a
    difference of two error functions, across it a Gaussian.
    """
    depth = np.zeros(height * width, np.float32)
    soft = np.hypot(streaks.sigma, 0.12 * streaks.length)  # a drop fades in and out, it has no cut ends
    half_rows = np.ceil(0.5 * streaks.length * np.cos(streaks.slope) + 2.5 * soft).astype(int)
    half_columns = np.ceil(2.5 * streaks.sigma / np.cos(streaks.slope)).astype(int)
    pixels = (2 * half_rows + 1) * (2 * half_columns + 1)
    # Streaks of about one size are drawn together, each in a window as large as the largest needs.
    order = np.argsort(pixels)
    while len(order):
        count = max(1, int(np.searchsorted(np.arange(1, len(order) + 1) * pixels[order], _CHUNK)))
        chosen, order = order[:count], order[count:]
        _draw_some(depth, width, streaks, soft, chosen, half_rows[chosen].max(), half_columns[chosen].max())
    return depth.reshape(height, width)


def _draw_some(
    depth: np.ndarray,
    width: int,
    streaks: Streaks,
    soft: np.ndarray,
    chosen: np.ndarray,
    half_rows: int,
    half_columns: int,
) -> None:
    height = len(depth) // width
    x, y, slope, length, sigma, peak = (
        getattr(streaks, name)[chosen].astype(np.float32)[:, None, None]
        for name in ('x', 'y', 'slope', 'length', 'sigma', 'peak')
    )
    rows = np.rint(y) + np.arange(-half_rows, half_rows + 1, dtype=np.float32)[:, None]
    middle = x + (rows - y) * np.tan(slope)
    columns = np.rint(middle) + np.arange(-half_columns, half_columns + 1, dtype=np.float32)
    across = (columns - middle) * np.cos(slope)
    along = (rows - y) / np.cos(slope) + (columns - middle) * np.sin(slope)
    scale = (1 / (math.sqrt(2) * soft[chosen])).astype(np.float32)[:, None, None]
    value = np.exp(-0.5 * (across / sigma) ** 2)
    value *= 0.5 * peak * (erf((along + 0.5 * length) * scale) - erf((along - 0.5 * length) * scale))
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    place = rows.astype(np.int64) * width + columns.astype(np.int64)
    np.add.at(depth, place[inside], value[inside])


def _fall_speed(diameter: np.ndarray) -> np.ndarray:
    return 9.65 - 10.3 * np.exp(-0.6 * diameter)
