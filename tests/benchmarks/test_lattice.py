"""The pattern that a network with strides lays over photographs is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import lattice
from cclgan_plugin.data.demo import load_photograph
from cclgan_plugin.errors import DataError


@pytest.fixture(scope='module')
def photograph() -> np.ndarray:
    return np.ascontiguousarray(load_photograph('coffee.png')[:199, :202])


def test_a_repeated_pattern_is_found_whole(photograph: np.ndarray) -> None:
    unit = np.random.default_rng(0).uniform(-3, 3, (4, 4, 1))
    unit -= unit.mean()
    pattern = np.tile(unit, (50, 51, 3))[:199, :202]
    found = lattice.lattice(pattern + 5)
    # Sides that are no multiple of four show some places once more than others.
    assert np.abs(found - pattern).max() < 0.1


def test_what_does_not_repeat_is_no_lattice() -> None:
    noise = np.random.default_rng(0).normal(0, 10, (400, 400, 3))
    assert lattice.lattice(noise).std() < 0.5


def test_a_lattice_spoils_niqe_and_its_removal_mends_it(photograph: np.ndarray) -> None:
    pattern = np.tile(np.array([[6, -6], [-6, 6]]), (100, 101))[:199, :202, None]
    spoilt = (photograph + pattern).clip(0, 255).astype(np.uint8)
    change, amount, before, after, without = lattice.measure(photograph, spoilt)
    assert change == pytest.approx(6, abs=0.5)
    assert amount == pytest.approx(6, abs=0.5)
    assert after > before + 1
    assert abs(without - before) < 0.5 * (after - before)


def test_the_command_prints_a_line_for_each_model(
    photograph: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / 'cup.png'), photograph[..., ::-1])
    assert lattice.main([str(tmp_path), 'derain-small', 'derain-small-free']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[2:]] == ['derain-small', 'derain-small-free']


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='nothing-here'):
        lattice.main([str(tmp_path / 'nothing-here'), 'derain-small'])
