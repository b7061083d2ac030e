"""A picture is written whole, or its file is named with the reason and is not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from basicsr import data
from basicsr.models import (
    build_model,
    hifacegan_model,
    sr_model,
    stylegan2_model,
    video_base_model,
    video_recurrent_model,
)
from basicsr.utils import img_util, imwrite

from cclgan_plugin.errors import DataError

resource = pytest.importorskip('resource')

#: Side of a picture, how many bytes of a file can be written, and how many of them stay without the mend.
NO_ROOM = [(16, 0, 0), (48, 4096, 4096)]


def noise(size: int, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(size).integers(0, np.iinfo(dtype).max, (size, size, 3), dtype)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """What a full disk does, to anybody and with no disk of its own: files may have so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ('ending', 'params'),
    [
        ('.png', None),
        ('.PNG', []),
        ('.png', [cv2.IMWRITE_PNG_COMPRESSION, 0]),
        ('.png', [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, 2]),
        ('.jpg', [cv2.IMWRITE_JPEG_QUALITY, 5]),
        ('.bmp', None),
    ],
)
def test_the_bytes_are_those_of_opencv(tmp_path: Path, ending: str, params: list[int] | None) -> None:
    for number, picture in enumerate((noise(40), noise(40)[..., 0], noise(40)[:, ::-1])):
        mended, expected = (tmp_path / f'{name}{number}{ending}' for name in ('mended', 'expected'))
        imwrite(picture, str(mended), params)
        assert cv2.imwrite(str(expected), picture, params)
        assert mended.read_bytes() == expected.read_bytes()


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    imwrite(noise(20, np.uint16), tmp_path / 'a.png')
    found = cv2.imread(str(tmp_path / 'a.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(found, noise(20, np.uint16))


def test_a_folder_is_made_where_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imwrite(noise(8), str(tmp_path / 'a/b/0.png'))
    assert os.listdir(tmp_path / 'a/b') == ['0.png']
    with pytest.raises(DataError, match=r'c/0\.png: cannot be written: there is no such folder'):
        imwrite(noise(8), str(tmp_path / 'c/0.png'), auto_mkdir=False)
    assert not (tmp_path / 'c').exists()
    monkeypatch.chdir(tmp_path)
    imwrite(noise(8), '0.png', auto_mkdir=False)
    assert (tmp_path / '0.png').is_file()


@pytest.mark.parametrize(('size', 'room', 'left'), NO_ROOM)
def test_without_room_the_file_is_named_and_the_older_one_stays(
    tmp_path: Path, size: int, room: int, left: int
) -> None:
    with room_for(room), pytest.raises(DataError, match=r'/0\.png: cannot be written: File too large$'):
        imwrite(noise(size), str(tmp_path / '0.png'))
    assert os.listdir(tmp_path) == []
    (tmp_path / '0.png').write_bytes(b'older')
    with room_for(room), pytest.raises(DataError, match=r'0\.png'):
        imwrite(noise(size), str(tmp_path / '0.png'))
    assert (tmp_path / '0.png').read_bytes() == b'older'
    assert os.listdir(tmp_path) == ['0.png']


@pytest.mark.parametrize(('size', 'room', 'left'), NO_ROOM)
def test_without_the_mend_it_is_empty_or_cut_short_and_nobody_knows(
    tmp_path: Path, size: int, room: int, left: int
) -> None:
    with room_for(room):
        imwrite.unmended(noise(size), str(tmp_path / '0.png'))
    assert (tmp_path / '0.png').stat().st_size == left


def test_without_the_mend_an_error_names_neither_file_nor_reason(tmp_path: Path) -> None:
    with room_for(0), pytest.raises(OSError, match=r'^Failed in writing images\.$'):
        imwrite.unmended(noise(100), str(tmp_path / '0.png'))


@pytest.mark.parametrize('name', ['0.xyz', '0', '0.'])
def test_an_ending_that_opencv_does_not_know_is_named(tmp_path: Path, name: str) -> None:
    ending = os.path.splitext(name)[1]
    with pytest.raises(DataError, match=rf'/{name}: OpenCV writes no pictures with the ending "{ending}"$'):
        imwrite(noise(8), str(tmp_path / name))
    assert os.listdir(tmp_path) == []


def test_what_a_format_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'0\.jpg: a picture of 1x70000 cannot be written as \.jpg$'):
        imwrite(np.zeros((70000, 1), np.uint8), str(tmp_path / '0.jpg'))
    with pytest.raises(DataError, match=r'0\.png: cannot be written: .*empty'):
        imwrite(np.zeros((0, 0, 3), np.uint8), str(tmp_path / '0.png'))
    assert os.listdir(tmp_path) == []


def test_every_model_writes_this_way() -> None:
    for module in (
        sr_model,
        hifacegan_model,
        stylegan2_model,
        video_base_model,
        video_recurrent_model,
        img_util,
    ):
        assert module.imwrite is imwrite


def test_a_validation_without_room_ends_with_the_pictures_name(
    tmp_path: Path, make_opt: Callable[..., dict[str, Any]]
) -> None:
    opt = make_opt(images=2)
    opt['val'] = {'save_img': True}
    pairs = {**opt['datasets']['train'], 'phase': 'val'}
    loader = data.build_dataloader(data.build_dataset(pairs), pairs)
    model = build_model(opt)
    with room_for(100), pytest.raises(DataError, match=r'visualization/0/0_5\.png: cannot be written: '):
        model.validation(loader, 5, None, save_img=True)
    model.validation(loader, 5, None, save_img=True)
    assert len(list(tmp_path.glob('experiments/tiny/visualization/*/*.png'))) == 2
