"""Pictures made of pieces of photographs."""

from __future__ import annotations

import numpy as np

from benchmarks import small_weights
from benchmarks.collage import collage
from cclgan_plugin.data.demo import load_photograph


def test_one_seed_makes_one_picture() -> None:
    photographs = [load_photograph(name) for name in ('coffee.png', 'brick.png')]
    before = [photograph.copy() for photograph in photographs]
    made = [collage(photographs, np.random.default_rng(seed), side=96) for seed in (0, 0, 1)]
    assert all(image.shape == (96, 96, 3) and image.dtype == np.uint8 for image in made)
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert all(map(np.array_equal, photographs, before)), 'a photograph itself was painted on'


def test_they_have_edges_areas_and_colours() -> None:
    """As photographs have: most neighbours are alike, some are not at all, and little is white or black."""
    for name, image in list(small_weights.collages(4))[8:]:
        steps = np.abs(np.diff(image.astype(int), axis=1)).max(axis=-1)
        assert np.median(steps) < 16, name
        assert (steps > 60).mean() > 0.002, name
        assert ((image == 0) | (image == 255)).mean() < 0.5, name


def test_photographs_outweigh_single_collages() -> None:
    amounts = small_weights.Amounts(dry=1, turned=True, noise_rain=2, streak_like=3)
    assert amounts.times(12) == small_weights.Amounts(dry=12, turned=True, noise_rain=24, streak_like=36)
