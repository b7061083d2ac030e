"""The pairs that the packaged weights learn from: what is painted on both sides, and what on one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import noise_rain, small_weights
from benchmarks.noise_rain import with_noise_rain
from benchmarks.streak_like import with_streak_like
from benchmarks.streaky_patterns import with_pattern
from cclgan_plugin.data.demo import load_photograph

Painter = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.fixture(scope='module')
def photograph() -> np.ndarray:
    return np.ascontiguousarray(load_photograph('coffee.png')[100:360, 100:370])


@pytest.mark.parametrize('paint', [with_noise_rain, with_streak_like, with_pattern])
def test_one_seed_paints_one_picture(paint: Painter, photograph: np.ndarray) -> None:
    before = photograph.copy()
    painted = [paint(photograph, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert all(image.shape == photograph.shape and image.dtype == np.uint8 for image in painted)
    assert np.array_equal(painted[0], painted[1])
    assert not np.array_equal(painted[0], painted[2])
    assert np.array_equal(photograph, before), 'the photograph itself was painted on'


def test_noise_rain_brightens_what_is_dark(photograph: np.ndarray) -> None:
    dark = np.zeros_like(photograph)
    for seed in range(12):
        rained = with_noise_rain(dark, np.random.default_rng(seed))
        assert rained.max() > 15, f'seed {seed}: no rain to be seen'
        assert np.ptp(rained, axis=-1).max() < 40, f'seed {seed}: rain is grey'


@pytest.mark.parametrize('angle', [-40, 0, 40])
def test_streaks_run_along_the_fall(angle: float) -> None:
    streaks = noise_rain._streaks((256, 256), angle, np.random.default_rng(3))
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2(streaks - streaks.mean()))) ** 2
    y, x = np.mgrid[-128:128, -128:128].astype(float)
    # Streaks change fastest across their direction: there lies the energy of the spectrum.
    power = [[(spectrum * x * x).sum(), (spectrum * x * y).sum()], [0, (spectrum * y * y).sum()]]
    power[1][0] = power[0][1]
    across = np.linalg.eigh(np.array(power))[1][:, 1]
    along = np.degrees(np.arctan(-across[1] / across[0]))
    assert abs(along - angle) < 8


def test_each_photograph_is_there_as_often_as_asked(photograph: np.ndarray) -> None:
    amounts = small_weights.Amounts(dry=2, turned=True, noise_rain=3, streak_like=1)
    pairs = {name: pair for name, *pair in small_weights.rendered('cup', photograph, 1, amounts)}
    assert list(pairs) == [
        *('cup-dry', 'cup-dry1'),
        *(f'cup-turned{number}' for number in range(4)),
        *('cup-drizzle0', 'cup-rain0', 'cup-downpour0', 'cup-storm0'),
        *('cup-noise0', 'cup-noise1', 'cup-noise2'),
        *('cup-like0', 'cup-likerain0', 'cup-likenoise0'),
    ]
    for name, (rainy, clean) in pairs.items():
        dry = 'dry' in name or 'turned' in name or name == 'cup-like0'
        assert np.array_equal(rainy, clean) == dry, name
        assert np.array_equal(clean, photograph) == ('like' not in name and 'turned' not in name), name


def test_patterns_are_there_dry_and_in_both_rains(photograph: np.ndarray) -> None:
    amounts = small_weights.Amounts(dry=0, turned=False, noise_rain=1, streak_like=0, patterns=2)
    pairs = {name: pair for name, *pair in small_weights.rendered('cup', photograph, 0, amounts)}
    assert list(pairs) == [
        *('cup-noise0', 'cup-pattern0', 'cup-patternrain0', 'cup-patternnoise0'),
        *('cup-pattern1', 'cup-patternrain1', 'cup-patternnoise1'),
    ]
    for copy in range(2):
        dry, rain, noise = (pairs[f'cup-pattern{kind}{copy}'] for kind in ('', 'rain', 'noise'))
        assert not np.array_equal(dry[1], photograph), 'nothing was drawn'
        assert np.array_equal(*dry)
        for rainy, clean in (rain, noise):
            assert np.array_equal(clean, dry[1])
            assert not np.array_equal(rainy, clean)


def test_halves_that_are_smaller_than_the_crops_are_left_out(photograph: np.ndarray) -> None:
    amounts = small_weights.Amounts(dry=0, turned=True, noise_rain=0, streak_like=0)
    pairs = small_weights.rendered('cup', photograph[:250], 0, amounts)
    assert [name for name, *_ in pairs] == ['cup-turned0', 'cup-turned1']


def test_compression_never_parts_a_dry_pair(photograph: np.ndarray) -> None:
    changed = 0
    for seed in range(40):
        rainy, clean = small_weights.compressed([photograph, photograph.copy()], np.random.default_rng(seed))
        assert np.array_equal(rainy, clean)
        difference = np.abs(rainy.astype(int) - photograph).mean()
        assert difference < 6
        changed += difference > 0
    assert 4 < changed < 20
