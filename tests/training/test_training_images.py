"""What a state keeps of a training set's images tells others from those that only moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from basicsr.data import build_dataset
from torch.utils.data import TensorDataset

from cclgan_plugin.data.seeded_items import SeededItems
from cclgan_plugin.training.training_images import describe_images, image_differences

ROOTS = ('lq', 'gt')
KINDS = ['UnpairedImageDataset', 'PairedImageDataset']


@pytest.fixture(params=KINDS)
def described(request: pytest.FixtureRequest) -> Callable[[Path], Any]:
    """What is kept of the images in ``lq`` and ``gt`` of a folder."""

    def describe(folder: Path) -> Any:
        paired = request.param == 'PairedImageDataset'
        opt: dict[str, Any] = {
            'name': 'a',
            'type': request.param,
            'gt_size': 8,
            'io_backend': {'type': 'disk'},
        }
        opt |= {f'dataroot_{root}': str(folder / root) + '/' * paired for root in ROOTS}
        dataset = build_dataset({**opt, 'phase': 'train', 'scale': 1})
        return describe_images(SeededItems(dataset, 0) if paired else dataset)

    return describe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images on each side, in a folder of one of them."""
    for root in ROOTS:
        (tmp_path / 'old' / root / 'b').mkdir(parents=True)
        for name in ('a.png', 'b/a.png', 'c.png'):
            (tmp_path / 'old' / root / name).write_bytes(b'')
    return tmp_path / 'old'


def test_images_that_moved_are_the_same(described: Callable[[Path], Any], folder: Path) -> None:
    before = described(folder)
    assert list(before) == ['dataroot_lq', 'dataroot_gt']
    assert image_differences(before, described(folder.rename(folder.parent / 'new'))) == []


def test_other_names_and_numbers_are_told(described: Callable[[Path], Any], folder: Path) -> None:
    before = described(folder)
    for root in ROOTS:
        (folder / root / 'c.png').rename(folder / root / 'd.png')
    other = 'images of other names, or in another order'
    assert image_differences(before, described(folder)) == [
        f'dataroot_{root}: {other}' for root in ('gt', 'lq')
    ]
    for root in ROOTS:
        (folder / root / 'd.png').unlink()
    number = before['dataroot_gt']['number']  # one fewer for BasicSR, which does not look into folders
    assert image_differences(before, described(folder)) == [
        f'dataroot_{root}: {number} images then, {number - 1} now' for root in ('gt', 'lq')
    ]


def test_of_what_is_not_known_nothing_is_said(described: Callable[[Path], Any], folder: Path) -> None:
    assert describe_images(TensorDataset()) == {}
    assert image_differences({}, described(folder)) == []
    assert image_differences(described(folder), {}) == []
