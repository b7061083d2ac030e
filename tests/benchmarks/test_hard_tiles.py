"""The squares of dry photographs that trained weights change."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import small_weights
from benchmarks.hard_tiles import SIDE, hard_tiles
from cclgan_plugin.data.demo import load_photograph


@pytest.fixture(scope='module')
def photograph() -> np.ndarray:
    """Every pixel of it is there once: positions can be told from values."""
    height, width = 2 * SIDE + 60, 2 * SIDE + 30
    y, x = np.mgrid[:height, :width]
    return np.stack([y % 256, x % 256, (y // 256 * 16 + x // 256) + 40], axis=-1).astype(np.uint8)


def place(tile: np.ndarray) -> tuple[int, int]:
    """Of its upper left corner in the photograph."""
    y, x, block = (int(value) for value in tile[0, 0])
    return y + 256 * ((block - 40) // 16), x + 256 * ((block - 40) % 16)


def test_the_worst_come_first_and_none_overlaps(photograph: np.ndarray) -> None:
    def derain(image: np.ndarray) -> np.ndarray:
        changed = image.astype(int)
        changed[20:40, 10:30] += 30
        changed[SIDE + 190 : SIDE + 215, SIDE + 80 : SIDE + 120] += 60
        return changed.clip(0, 255).astype(np.uint8)

    tiles = list(hard_tiles(derain, photograph))
    assert [tile.shape for tile in tiles] == [(SIDE, SIDE, 3)] * 2
    (y, x), (upper, left) = map(place, tiles)
    assert 215 <= y <= SIDE + 190, 'the whole change is in it'
    assert 120 <= x <= SIDE + 80
    assert (upper, left) == (0, 0)
    assert abs(y - upper) >= SIDE or abs(x - left) >= SIDE
    for tile, (top, start) in zip(tiles, ((y, x), (upper, left)), strict=True):
        assert np.array_equal(tile, photograph[top : top + SIDE, start : start + SIDE])
    assert np.array_equal(next(iter(hard_tiles(derain, photograph, most=1))), tiles[0])


def test_what_comes_out_nearly_as_it_was_is_not_hard(photograph: np.ndarray) -> None:
    def derain(image: np.ndarray) -> np.ndarray:
        return np.where(image < 255, image + 1, image)

    # One grey level everywhere: 48.1 dB.
    assert not list(hard_tiles(derain, photograph))
    assert len(list(hard_tiles(derain, photograph, below=49.0))) == 4


def test_they_are_there_mostly_dry_and_in_rain() -> None:
    """Of the photograph and its turns, whatever the weights spoil: here everything."""
    coffee = load_photograph('coffee.png')[:SIDE, :400]

    class Blind:
        def __call__(self, image: np.ndarray) -> np.ndarray:
            return np.zeros_like(image)

    parts = list(small_weights.hard_parts(Blind(), coffee))  # type: ignore[arg-type]
    # Two of the photograph and of each turn; half of it is too small.
    assert len(parts) == 6
    pairs = [pair for _, *pair in small_weights.rendered('part', parts[0], 1, small_weights.HARD)]
    dry = sum(np.array_equal(rainy, clean) for rainy, clean in pairs)
    assert (dry, len(pairs)) == (8, 14)
    assert all(np.array_equal(clean, parts[0]) for _, clean in pairs)
