"""A folder of photographs becomes the same folder in the rain, and nothing of the user's is harmed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.rain_folder import plan, rain_on_folder
from cclgan_plugin.data.rain_params import RainParams
from cclgan_plugin.errors import DataError

PARAMS = RainParams(density=2000)


@pytest.fixture
def clean(tmp_path: Path, picture: np.ndarray, encode: Callable[..., bytes]) -> Path:
    root = tmp_path / 'clean'
    (root / 'sub').mkdir(parents=True)
    (root / 'a.png').write_bytes(encode(picture, 'PNG'))
    (root / 'sub' / 'b.JPG').write_bytes(encode(picture, 'JPEG', quality=95))
    (root / 'deep.png').write_bytes(encode(picture.astype(np.uint16) * 257, 'PNG'))
    (root / 'note.txt').write_text('not an image')
    return root


def _run(clean: Path, out: Path, seed: int = 0, variation: float = 0) -> list[str]:
    names = plan(str(clean), str(out), False)
    rained = list(rain_on_folder(str(clean), str(out), names, PARAMS, seed, variation))
    return [result.name for result in rained if result.error is not None]


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob('*') if path.is_file()}


def test_same_tree_same_names_and_rain_in_it(clean: Path, tmp_path: Path) -> None:
    before = _files(clean)
    assert _run(clean, tmp_path / 'out') == []
    assert set(_files(tmp_path / 'out')) == {'a.png', 'deep.png', 'sub/b.JPG'}
    for name in _files(tmp_path / 'out'):
        one, other = (
            decode_image(root.joinpath(name).read_bytes(), name) for root in (clean, tmp_path / 'out')
        )
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert np.abs(one.astype(float) - other).max() / np.iinfo(one.dtype).max > 0.1
    assert _files(clean) == before


def test_basicsr_pairs_the_two_folders(clean: Path, tmp_path: Path) -> None:
    from basicsr.data import build_dataset

    os.remove(clean / 'note.txt')
    _run(clean, tmp_path / 'out')
    opt = {'name': 'pairs', 'type': 'PairedImageDataset', 'phase': 'val', 'scale': 1}
    opt |= {'dataroot_gt': str(clean), 'dataroot_lq': str(tmp_path / 'out'), 'io_backend': {'type': 'disk'}}
    dataset = build_dataset(opt)
    assert [dataset[i]['lq'].shape for i in range(len(dataset))] == [(3, 24, 36)] * 2  # it looks at one level


def test_the_rain_of_a_photograph_follows_from_seed_and_name(clean: Path, tmp_path: Path) -> None:
    _run(clean, tmp_path / 'one', variation=0.3)
    (clean / '0 first.png').write_bytes((clean / 'a.png').read_bytes())
    _run(clean, tmp_path / 'two', variation=0.3)
    _run(clean, tmp_path / 'three', seed=1, variation=0.3)
    one, two, three = (_files(tmp_path / name) for name in ('one', 'two', 'three'))
    assert all(two[name] == data for name, data in one.items())
    assert not any(three[name] == data for name, data in one.items())
    assert two['0 first.png'] != two['a.png']


def test_a_turned_photograph_becomes_upright(
    clean: Path, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    exif = Image.Exif()
    exif[274] = 6
    (clean / 'turned.jpg').write_bytes(encode(np.zeros((10, 20, 3), np.uint8), 'JPEG', exif=exif))
    _run(clean, tmp_path / 'out')
    assert cv2.imread(str(tmp_path / 'out' / 'turned.jpg')).shape == (20, 10, 3)
    assert Image.open(tmp_path / 'out' / 'turned.jpg').getexif().get(274, 1) == 1


def test_a_bad_file_is_named_and_the_others_are_done(clean: Path, tmp_path: Path) -> None:
    (clean / 'bad.jpg').write_text('no image')
    assert _run(clean, tmp_path / 'out') == ['bad.jpg']
    assert set(_files(tmp_path / 'out')) == {'a.png', 'deep.png', 'sub/b.JPG'}


def test_a_photograph_that_cannot_be_written_is_named_and_the_others_are_done(
    clean: Path, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    # Its content is PNG, which is read whatever the name says.
    (clean / '0.webp').write_bytes(encode(np.zeros((2, 17000, 3), np.uint8), 'PNG'))
    assert _run(clean, tmp_path / 'out') == ['0.webp']
    assert set(_files(tmp_path / 'out')) == {'a.png', 'deep.png', 'sub/b.JPG'}


@pytest.mark.parametrize('out', ['clean', 'clean/', 'clean/rainy', '.', 'link', 'link/rainy'])
def test_one_folder_inside_the_other_is_refused(clean: Path, tmp_path: Path, out: str) -> None:
    os.symlink(clean, tmp_path / 'link')
    before = _files(tmp_path)
    with pytest.raises(DataError, match=r'OUT_DIR: .*(is CLEAN_DIR itself|one inside the other)'):
        plan(str(clean), str(tmp_path / out), True)
    assert _files(tmp_path) == before


def test_a_folder_with_a_longer_name_is_not_inside(clean: Path, tmp_path: Path) -> None:
    assert len(plan(str(clean), str(tmp_path / 'clean_rainy'), False)) == 3


def test_a_folder_in_use_needs_overwrite_and_keeps_other_files(clean: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'mine.png').write_text('mine')
    with pytest.raises(DataError, match='is not empty'):
        plan(str(clean), str(out), False)
    names = plan(str(clean), str(out), True)
    list(rain_on_folder(str(clean), str(out), names, PARAMS))
    assert (out / 'mine.png').read_text() == 'mine'


def test_a_file_in_the_way_is_named(clean: Path, tmp_path: Path) -> None:
    (tmp_path / 'out').write_text('mine')
    with pytest.raises(DataError, match=r'OUT_DIR: ".*out" is a file'):
        plan(str(clean), str(tmp_path / 'out'), True)


@pytest.mark.parametrize(
    ('out', 'message'), [('Clean', 'is CLEAN_DIR itself'), ('Clean/new', 'one inside the other')]
)
def test_another_spelling_of_the_folder_is_known(
    clean: Path, monkeypatch: pytest.MonkeyPatch, out: str, message: str
) -> None:
    """A link whose path says nothing is what a disk shows that does not tell capitals apart."""
    os.symlink(clean, clean.parent / 'Clean')
    monkeypatch.setattr(os.path, 'realpath', os.path.abspath)
    with pytest.raises(DataError, match=message):
        plan(str(clean), str(clean.parent / out), True)


@pytest.mark.parametrize('suffix', ['', '.png'])
def test_links_in_the_folder_do_not_lead_back_to_the_photographs(
    clean: Path, tmp_path: Path, picture: np.ndarray, encode: Callable[..., bytes], suffix: str
) -> None:
    (clean / 'sub' / 'b.JPG.png').write_bytes(encode(picture, 'PNG'))
    before = _files(clean)
    (tmp_path / 'out').mkdir()
    os.symlink(clean / 'sub', tmp_path / 'out' / 'sub')
    with pytest.raises(
        DataError, match=r'DIR: ".*out/sub/b\.JPG.*" leads by a link to the photograph ".*clean'
    ):
        plan(str(clean), str(tmp_path / 'out'), True, 'DIR', suffix)
    assert _files(clean) == before
    (tmp_path / 'out' / 'sub').unlink()
    plan(str(clean), str(tmp_path / 'out'), True, 'DIR', suffix)
