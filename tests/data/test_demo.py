"""The demo set is complete, honest, repeatable, and never half there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cclgan_plugin.data import demo
from cclgan_plugin.data.demo import CLEAN, RAINY, TILE, VALIDATION, write_demo
from cclgan_plugin.data.image_file import encode_image
from cclgan_plugin.errors import DataError


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('data') / 'new' / 'demo'
    write_demo(str(root))
    return root


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _luma(path: Path) -> np.ndarray:
    return cv2.imread(str(path)).astype(float) @ [24.966, 128.553, 65.481] / 255 + 16


def test_all_folders_are_there_with_what_was_reported(tmp_path: Path) -> None:
    reported = write_demo(str(tmp_path / 'demo'))
    assert set(reported.counts) == {'rainy', 'clean', 'val/rainy', 'val/clean'}
    for folder, count in reported.counts.items():
        assert len(_names(tmp_path / 'demo' / folder)) == count > 5
    assert cv2.imread(reported.preview) is not None
    assert _names(tmp_path / 'demo') == {'rainy', 'clean', 'val', 'preview.png'}
    assert _names(tmp_path) == {'demo'}


def test_no_photograph_is_on_two_sides(written: Path) -> None:
    assert len({*RAINY, *CLEAN, *VALIDATION}) == len(RAINY) + len(CLEAN) + len(VALIDATION)
    sides = [{name[:-7] for name in _names(written / folder)} for folder in ('rainy', 'clean', 'val/clean')]
    assert [{Path(name).stem for name in side} for side in (RAINY, CLEAN, VALIDATION)] == sides


def test_images_are_square_tiles(written: Path) -> None:
    assert {cv2.imread(str(path)).shape for path in written.glob('*/*.png')} == {(TILE, TILE, 3)}


def test_basicsrs_paired_dataset_reads_the_validation_pairs(written: Path) -> None:
    from basicsr.data import build_dataset

    opt = {'name': 'pairs', 'type': 'PairedImageDataset', 'phase': 'val', 'scale': 1}
    opt |= {'dataroot_gt': str(written / 'val/clean'), 'dataroot_lq': str(written / 'val/rainy')}
    dataset = build_dataset({**opt, 'io_backend': {'type': 'disk'}})
    assert len(dataset) == len(_names(written / 'val/clean'))
    assert dataset[0]['lq'].shape == dataset[0]['gt'].shape == (3, TILE, TILE)


def test_the_rain_takes_a_reasonable_part_of_the_quality(written: Path) -> None:
    quality = []
    for name in _names(written / 'val/rainy'):
        error = _luma(written / 'val/rainy' / name) - _luma(written / 'val/clean' / name)
        quality.append(10 * np.log10(255**2 / np.mean(error**2)))
    assert 22 < np.mean(quality) < 26
    assert max(quality) < 32


def test_the_same_seed_writes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_demo(str(tmp_path / 'same'))
    write_demo(str(tmp_path / 'other'), seed=1)
    names = [path.relative_to(written) for path in written.rglob('*.png')]
    assert all((written / name).read_bytes() == (tmp_path / 'same' / name).read_bytes() for name in names)
    rainy = [name for name in names if name.parts[0] == 'rainy']
    assert not any(
        (written / name).read_bytes() == (tmp_path / 'other' / name).read_bytes() for name in rainy
    )


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(DataError, match='is not empty'):
        write_demo(str(tmp_path))
    assert _names(tmp_path) == {'mine.txt'}


def test_overwriting_replaces_the_set_and_nothing_else(tmp_path: Path) -> None:
    write_demo(str(tmp_path))
    (tmp_path / 'rainy' / 'mine.png').write_text('mine')
    (tmp_path / 'preview.png').write_text('damaged')
    write_demo(str(tmp_path), overwrite=True)
    assert (tmp_path / 'rainy' / 'mine.png').read_text() == 'mine'
    assert cv2.imread(str(tmp_path / 'preview.png')) is not None
    assert _names(tmp_path) == {'rainy', 'clean', 'val', 'preview.png'}


@pytest.mark.parametrize('there', [False, True])
def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    encoded = []

    def interrupted(image: np.ndarray, extension: str) -> bytes:
        encoded.append(image)
        if len(encoded) == 9:
            raise KeyboardInterrupt
        return encode_image(image, extension)

    monkeypatch.setattr(demo, 'encode_image', interrupted)
    if there:
        (tmp_path / 'demo').mkdir()
    with pytest.raises(KeyboardInterrupt):
        write_demo(str(tmp_path / 'demo'))
    assert list(tmp_path.rglob('*')) == ([tmp_path / 'demo'] if there else [])


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / 'demo').write_text('mine')
    with pytest.raises(DataError, match=r'"[^"]*demo" is a file'):
        write_demo(str(tmp_path / 'demo'), overwrite=True)
    with pytest.raises(DataError, match='cannot be written'):
        write_demo(str(tmp_path / 'demo' / 'below'))


def test_photographs_that_are_not_installed_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, 'CLEAN', ('mountain.png',))
    with pytest.raises(DataError, match=r'"mountain\.png".*pip install'):
        write_demo(str(tmp_path / 'demo'))
    assert _names(tmp_path) == set()
