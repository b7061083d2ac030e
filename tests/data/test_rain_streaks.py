"""Streaks have the place, length, width, slope and depth that they should."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cclgan_plugin.data.rain_params import RainParams
from cclgan_plugin.data.rain_streaks import Streaks, draw, fall


def _streaks(**values: float) -> Streaks:
    names = ('x', 'y', 'slope', 'length', 'sigma', 'peak')
    return Streaks(**{name: np.array([values[name]]) for name in names})


def _slow(
    height: int, width: int, x: float, y: float, slope: float, length: float, sigma: float, peak: float
) -> Any:
    """The path in small steps, softened along itself and blurred across, pixel by pixel."""
    soft = math.hypot(sigma, 0.12 * length)
    steps = np.linspace(-length / 2, length / 2, 4001)
    image = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            along = (column - x) * math.sin(slope) + (row - y) * math.cos(slope)
            across = (column - x) * math.cos(slope) - (row - y) * math.sin(slope)
            gauss = np.exp(-0.5 * ((along - steps) / soft) ** 2) / (soft * math.sqrt(2 * math.pi))
            image[row, column] = (
                peak * gauss.sum() * (steps[1] - steps[0]) * math.exp(-0.5 * (across / sigma) ** 2)
            )
    return image


@pytest.mark.parametrize('slope', [0, 0.5, -1.2])
@pytest.mark.parametrize(('length', 'sigma'), [(12, 1.3), (2, 0.5)])
def test_a_streak_equals_the_slow_reference(slope: float, length: float, sigma: float) -> None:
    values = {'x': 20.3, 'y': 15.8, 'slope': slope, 'length': length, 'sigma': sigma, 'peak': 0.7}
    drawn = draw(_streaks(**values), 32, 40)
    # Beyond 2.5 sigma nothing is drawn.
    np.testing.assert_allclose(drawn, _slow(32, 40, **values), atol=0.7 * math.exp(-0.5 * 2.5**2))


def test_overlapping_streaks_add_up_in_any_order() -> None:
    rng = np.random.default_rng(0)
    many = fall(60, 80, RainParams(density=300), rng)
    total = draw(many, 60, 80)
    one_by_one = sum(
        draw(Streaks(*(getattr(many, name)[i : i + 1] for name in many.__dataclass_fields__)), 60, 80)
        for i in range(len(many.x))
    )
    # In one go, streaks are drawn a little farther out than alone.
    np.testing.assert_allclose(total, one_by_one, atol=0.05 * total.max())


def test_streaks_beyond_the_edges_are_cut_off_there() -> None:
    at_corner = draw(_streaks(x=0, y=0, slope=0.3, length=16, sigma=2, peak=1), 20, 20)
    assert at_corner[0, 0] > 0.5
    assert at_corner[:, -1].max() == at_corner[-1].max() == 0
    assert draw(_streaks(x=-50, y=5, slope=0, length=9, sigma=1, peak=1), 20, 20).max() == 0


def test_no_streaks_are_no_rain() -> None:
    assert draw(fall(20, 30, RainParams(density=0), np.random.default_rng(0)), 20, 30).max() == 0


def test_near_streaks_are_few_long_and_blurred_far_ones_many_short_and_thin() -> None:
    params = RainParams(density=5000, depth=8, blur=2)
    streaks = fall(1000, 1000, params, np.random.default_rng(0))
    near = streaks.length > 0.5 * params.length * 1000
    far = streaks.length < 0.2 * params.length * 1000
    assert near.sum() * 10 < far.sum()
    assert streaks.sigma[near].mean() > 3 * streaks.sigma[far].mean()
    sharp = fall(1000, 1000, RainParams(density=5000, depth=8, blur=0), np.random.default_rng(0))
    assert streaks.peak[near].mean() < 0.7 * sharp.peak[near].mean()
    np.testing.assert_allclose(streaks.length, sharp.length)


def test_density_counts_streaks_in_a_square() -> None:
    for height, width in ((200, 200), (200, 400)):
        counts = []
        for seed in range(20):
            streaks = fall(height, width, RainParams(density=100, length=0.05), np.random.default_rng(seed))
            inside = (streaks.x >= 0) & (streaks.x < width) & (streaks.y >= 0) & (streaks.y < height)
            counts.append(inside.sum() * 200 / width)
        assert np.mean(counts) == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize('angle', [-30, 0, 45])
def test_the_angle_is_from_the_vertical_and_drifts_to_the_right(angle: float) -> None:
    # Wide streaks, because differences between pixels are biased towards diagonals on thin ones.
    params = RainParams(angle=angle, angle_jitter=0, density=300, width=0.05, length=0.5)
    depth = draw(fall(300, 300, params, np.random.default_rng(1)), 300, 300)
    dy, dx = np.gradient(depth)
    # The structure tensor's direction of strongest change is across the streaks.
    across = 0.5 * math.atan2(2 * (dx * dy).sum(), (dx**2 - dy**2).sum())
    assert -math.degrees(across) == pytest.approx(angle, abs=2)
