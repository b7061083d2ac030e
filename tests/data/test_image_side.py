"""A bad image ends the run or is replaced, as the option says, and is named in either case."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cclgan_plugin.data.find_source import find_source
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_side import ImageSide


@pytest.fixture
def side(make_folder: Callable[..., str]) -> Callable[[str, tuple[int, ...]], ImageSide]:
    """``side(corrupt_images, bad)``: five images, of which some are text."""

    def run(corrupt_images: str, bad: tuple[int, ...]) -> ImageSide:
        root = make_folder('rainy', 5)
        for index in bad:
            Path(root, f'0{index}.png').write_text('no image')
        return ImageSide('dataroot_lq', find_source('lq', root, None, {'type': 'disk'}), corrupt_images)

    return run


def _spare() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_bad_image_is_an_error(side: Callable[..., ImageSide]) -> None:
    images = side('error', (1,))
    images.load(0, _spare)
    with pytest.raises(ImageError, match=r'rainy/01\.png: not a PNG'):
        images.load(1, _spare)


def test_a_skipped_image_is_replaced_by_the_same_good_one(
    side: Callable[..., ImageSide], basicsr_log: Callable[[], list[str]]
) -> None:
    images = side('skip', (1, 2))
    names = {images.load(1, _spare).name for _ in range(5)}
    assert len(names) == 1
    assert not names & {images.source.name(1), images.source.name(2)}


def test_each_bad_image_is_named_once(
    side: Callable[..., ImageSide], basicsr_log: Callable[[], list[str]]
) -> None:
    images = side('skip', (1, 3))
    for _ in range(20):
        for index in range(5):
            images.load(index, _spare)
    lines = basicsr_log()
    assert len(lines) == 2
    assert all(line.startswith('Skipped: ') for line in lines)
    assert '01.png' in lines[0]
    assert '03.png' in lines[1]


def test_a_replacement_is_one_of_those_that_may_be_taken(
    side: Callable[..., ImageSide], basicsr_log: Callable[[], list[str]]
) -> None:
    images = side('skip', (1, 3))
    for seed in range(9):
        spare = functools.partial(np.random.default_rng, seed)
        assert images.load(1, spare, None, np.array([1, 3, 4])).name == images.source.name(4)
    message = r'dataroot_lq: none of the 2 that may be taken of 5 images in ".*rainy" can be read'
    with pytest.raises(ImageError, match=message):
        images.load(1, _spare, None, np.array([1, 3]))


def test_it_is_an_error_if_no_image_is_good(side: Callable[..., ImageSide]) -> None:
    with pytest.raises(ImageError, match=r'dataroot_lq: none of the 5 images in ".*rainy" can be read'):
        side('skip', (0, 1, 2, 3, 4)).load(2, _spare)


def test_the_replacement_is_not_asked_for_good_images(side: Callable[..., ImageSide]) -> None:
    def spare() -> np.random.Generator:
        raise AssertionError('asked')

    pixels, height, name = side('skip', (1,)).load(0, spare)
    assert pixels.shape == (24, 32, 3)
    assert height == 24
    assert name.endswith('00.png')
