"""Rendered rain looks and counts as rain: light on dark, nothing on the sky, and repeatable."""

from __future__ import annotations

import importlib.resources

import numpy as np
import pytest

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.linear_light import to_linear
from cclgan_plugin.data.rain import render_rain
from cclgan_plugin.data.rain_params import RAIN_TYPES, RainParams

HEAVY = RainParams(density=2000, veil=0)


@pytest.fixture(scope='module')
def astronaut() -> np.ndarray:
    data = importlib.resources.files('skimage').joinpath('data').joinpath('astronaut.png').read_bytes()
    return decode_image(data, 'astronaut').astype(np.float32) / 255


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((one - other) ** 2)))


def test_shapes_types_and_ranges(astronaut: np.ndarray) -> None:
    rainy, mask = render_rain(astronaut[:60, :80].astype(np.float64), HEAVY, _rng())
    assert (rainy.shape, rainy.dtype) == ((60, 80, 3), np.float32)
    assert (mask.shape, mask.dtype) == ((60, 80), np.float32)
    assert 0 <= rainy.min() <= rainy.max() <= 1
    assert 0 <= mask.min() < mask.max() <= 1


def test_the_seed_decides_and_the_input_stays(astronaut: np.ndarray) -> None:
    image = astronaut[:60, :80].copy()
    first, _ = render_rain(image, HEAVY, _rng(1))
    np.testing.assert_array_equal(image, astronaut[:60, :80])
    np.testing.assert_array_equal(first, render_rain(image, HEAVY, _rng(1))[0])
    assert np.abs(first - render_rain(image, HEAVY, _rng(2))[0]).max() > 0.1


def test_without_drops_and_veil_nothing_changes(astronaut: np.ndarray) -> None:
    rainy, mask = render_rain(astronaut, RainParams(density=0, veil=0), _rng())
    np.testing.assert_allclose(rainy, astronaut, atol=1e-5)
    assert mask.max() == 0


def test_streaks_are_bright_on_the_dark_and_hardly_seen_on_the_sky() -> None:
    image = np.full((200, 200, 3), 0.9, np.float32)
    image[:, 100:] = 0.1
    rainy, mask = render_rain(image, HEAVY, _rng())
    change, streak = (rainy - image).mean(axis=2), mask > 0.3
    assert change[:, 100:][streak[:, 100:]].min() > 0.2
    assert np.abs(change[:, :100][streak[:, :100]]).max() < 0.05


def test_light_is_mixed_linearly() -> None:
    rainy, mask = render_rain(np.zeros((100, 100, 3), np.float32), HEAVY, _rng())
    ratio = to_linear(rainy)[mask > 0.05] / mask[mask > 0.05][:, None]
    # Before black, the light is the mask's share of one and the same drop light.
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio.mean(axis=0), ratio.shape), rtol=1e-3)
    half, _ = render_rain(
        np.zeros((100, 100, 3), np.float32), RainParams(density=2000, veil=0, brightness=0.45), _rng()
    )
    np.testing.assert_allclose(2 * to_linear(half), to_linear(rainy), atol=1e-5)


def test_the_veil_lifts_the_dark_by_its_share() -> None:
    black = np.zeros((20, 20, 3), np.float32)
    thin, _ = render_rain(black, RainParams(density=0, veil=0.1), _rng())
    thick, _ = render_rain(black, RainParams(density=0, veil=0.3), _rng())
    np.testing.assert_allclose(to_linear(thick), 3 * to_linear(thin), rtol=1e-4)


def test_more_of_everything_is_more_rain(astronaut: np.ndarray) -> None:
    def quality(**changes: float) -> float:
        return _psnr(astronaut, render_rain(astronaut, RainParams(**changes), _rng())[0])

    usual = quality()
    assert quality(density=1500) < usual - 2
    assert quality(opacity=0.2) > usual + 2
    assert quality(brightness=0.3) > usual + 2
    assert quality(length=0.4) < usual


def test_blur_makes_near_streaks_fainter(astronaut: np.ndarray) -> None:
    strongest = [render_rain(astronaut, RainParams(blur=blur), _rng())[1].max() for blur in (0, 2, 8)]
    assert strongest[0] > strongest[1] > strongest[2]


def test_a_larger_photograph_gets_the_same_rain(astronaut: np.ndarray) -> None:
    small, large = astronaut[::2, ::2], astronaut
    covered = [
        np.mean([render_rain(x, RainParams(), _rng(i))[1].mean() for i in range(5)]) for x in (small, large)
    ]
    assert covered[0] == pytest.approx(covered[1], rel=0.15)


@pytest.mark.parametrize(
    ('name', 'low', 'high'), [('drizzle', 21, 30), ('rain', 18, 26), ('downpour', 12, 19), ('storm', 8, 15)]
)
def test_types_of_rain_are_as_strong_as_they_sound(
    astronaut: np.ndarray, name: str, low: float, high: float
) -> None:
    assert low < _psnr(astronaut, render_rain(astronaut, RAIN_TYPES[name], _rng())[0]) < high


@pytest.mark.parametrize('shape', [(1, 1), (1, 40), (40, 1), (3, 5)])
def test_any_size_works(shape: tuple[int, int]) -> None:
    rainy, _ = render_rain(np.full((*shape, 3), 0.3, np.float32), HEAVY, _rng())
    assert rainy.shape == (*shape, 3)
    assert np.isfinite(rainy).all()


@pytest.mark.parametrize('image', [np.zeros((8, 8), np.float32), np.zeros((8, 8, 3), np.uint8)])
def test_other_images_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match='a float image'):
        render_rain(image, RainParams(), _rng())
