"""No scene, by name or by looks, is on two of the lists, and BasicSR takes the lists as they are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cclgan_plugin.cli.main import main
from cclgan_plugin.data.scene_groups import scene_groups
from cclgan_plugin.data.sources import FileSource
from cclgan_plugin.data.split import lists_of, pair_by_scene, split
from cclgan_plugin.errors import DataError, OptionError

LISTS = ('rainy', 'clean', 'val')


def _noise(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_NEAREST)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """``clean`` and ``rainy`` (brighter) of 20 scenes; the last 5 are mirrored versions of the first 5."""
    for side in ('clean', 'rainy'):
        (tmp_path / side).mkdir()
        for index in range(20):
            image = _noise(index) if index < 15 else _noise(index - 15)[:, ::-1]
            brighter = image // 2 + (100 if side == 'rainy' else 0)
            cv2.imwrite(str(tmp_path / side / f'{index:02d}.png'), brighter)
    return tmp_path


def _read(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_no_scene_is_on_two_lists(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ['data', 'split', str(pairs / 'rainy'), str(pairs / 'clean'), str(pairs / 'lists')]
    assert main([*words, '--val', '0.2']) == 0
    lists = {name: _read(pairs / 'lists' / f'{name}.txt') for name in LISTS}
    assert {name: len(found) for name, found in lists.items()} == {'rainy': 8, 'clean': 8, 'val': 4}
    scenes = {name: {int(Path(image).stem) % 15 for image in found} for name, found in lists.items()}
    assert not scenes['rainy'] & scenes['clean']
    assert not scenes['val'] & (scenes['rainy'] | scenes['clean'])
    assert '20 clean images, 5 of them look like another one' in capsys.readouterr().out
    assert main([*words, '--val', '0.2']) == 2
    assert '--overwrite replaces it' in capsys.readouterr().err
    assert main([*words, '--val', '0.2', '--overwrite']) == 0
    assert {name: _read(pairs / 'lists' / f'{name}.txt') for name in LISTS} == lists
    assert main([*words, '--val', '0.2', '--overwrite', '--seed', '1']) == 0
    assert _read(pairs / 'lists' / 'rainy.txt') != lists['rainy']


def test_no_list_of_an_earlier_division_stays(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a share for validation, its scenes are trained on."""
    words = ['data', 'split', *(str(pairs / name) for name in ('rainy', 'clean', 'lists'))]
    assert main(words) == 0
    (pairs / 'lists' / 'notes.txt').write_text('mine')
    assert main([*words, '--val', '0', '--overwrite']) == 0
    assert 'val.txt: removed' in capsys.readouterr().out
    assert {path.name for path in (pairs / 'lists').iterdir()} == {'rainy.txt', 'clean.txt', 'notes.txt'}
    for name in ('rainy.txt', 'clean.txt'):
        (pairs / 'lists' / name).rename(pairs / 'lists' / f'val_{name}')
    assert main(words) == 2
    assert 'val_rainy.txt" is there already' in capsys.readouterr().err


def test_training_and_validation_read_the_lists(pairs: Path) -> None:
    from basicsr.data import build_dataset

    main(['data', 'split', *(str(pairs / name) for name in ('rainy', 'clean', 'lists'))])
    roots = {'dataroot_lq': str(pairs / 'rainy'), 'dataroot_gt': str(pairs / 'clean'), 'scale': 1}
    training = build_dataset(
        {
            **roots,
            'name': 't',
            'type': 'UnpairedImageDataset',
            'phase': 'train',
            'gt_size': 32,
            'meta_info_file_lq': str(pairs / 'lists' / 'rainy.txt'),
            'meta_info_file_gt': str(pairs / 'lists' / 'clean.txt'),
        }
    )
    assert len(training) == 9
    validation = build_dataset(
        {
            **roots,
            'name': 'v',
            'type': 'PairedImageDataset',
            'phase': 'val',
            'io_backend': {'type': 'disk'},
            'meta_info_file': str(pairs / 'lists' / 'val.txt'),
        }
    )
    assert len(validation) == 2
    assert (validation[0]['lq'] > validation[0]['gt']).all()


def test_the_check_finds_no_leak_in_the_lists_and_does_without_them(pairs: Path, tmp_path: Path) -> None:
    main(['data', 'split', *(str(pairs / name) for name in ('rainy', 'clean', 'lists'))])
    text = (
        'datasets:\n  train:\n    type: UnpairedImageDataset\n    gt_size: 32\n'
        f'    dataroot_lq: {pairs}/rainy\n    dataroot_gt: {pairs}/clean\n'
    )
    (tmp_path / 'all.yml').write_text(text)
    assert main(['data', 'check', str(tmp_path / 'all.yml')]) == 1
    lists = (
        f'    meta_info_file_lq: {pairs}/lists/rainy.txt\n    meta_info_file_gt: {pairs}/lists/clean.txt\n'
    )
    (tmp_path / 'lists.yml').write_text(text + lists)
    assert main(['data', 'check', str(tmp_path / 'lists.yml')]) == 0


def test_several_rainy_versions_of_a_scene_stay_together() -> None:
    clean = [f'{scene}.jpg' for scene in range(12)]
    rainy = [f'{scene}_{version}.jpg' for scene in range(12) for version in range(3)]
    versions = pair_by_scene(rainy, clean, r'^(\d+)')
    made = split(rainy, clean, versions, np.arange(12), 0.25, 0.5, 0)
    assert len(made.rainy) == 3 * made.scenes['rainy']
    assert sum(made.scenes.values()) == 12
    assert made.scenes['val'] == 3
    used = {name.split('_')[0] for name in made.rainy}
    assert not used & {name.split('.')[0] for name in made.clean}
    assert [name.split('_')[0] for name in made.val_rainy] == [name.split('.')[0] for name in made.val_clean]
    assert set(lists_of(made)) == {'rainy.txt', 'clean.txt', 'val_rainy.txt', 'val_clean.txt'}


def test_equal_images_are_one_group_even_if_they_are_flat(tmp_path: Path) -> None:
    for name, level in (('a', 10), ('b', 20), ('c', 10)):
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.full((8, 8, 3), level, np.uint8))
    groups = scene_groups(FileSource(str(tmp_path), ['a.png', 'b.png', 'c.png']))
    assert groups[0] == groups[2] != groups[1]


def test_names_that_do_not_fit() -> None:
    with pytest.raises(DataError, match=r'"r1.png" has no partner.*--scene'):
        pair_by_scene(['r1.png'], ['c1.png'], None)
    assert pair_by_scene(['r1.png'], ['c1.png'], r'\d+') == [[0]]
    with pytest.raises(DataError, match=r'1 of 2 images have no rainy partner, e.g. "2.png"'):
        pair_by_scene(['1.png'], ['1.png', '2.png'], None)
    with pytest.raises(DataError, match='are the same scene'):
        pair_by_scene(['1.png'], ['1.png', '1.jpg'], None)
    with pytest.raises(OptionError, match='does not match the name "x"'):
        pair_by_scene(['1.png'], ['x.png'], r'\d+')
    with pytest.raises(OptionError, match='not a regular expression'):
        pair_by_scene(['1.png'], ['1.png'], '(')


def test_too_few_scenes_and_wrong_shares(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match='2 groups of scenes are too few'):
        split(['1', '2'], ['1', '2'], [[0], [1]], np.arange(2), 0.1, 0.5, 0)
    for words in (['--val', '1'], ['--rainy', '0'], ['--similarity', '0']):
        assert main(['data', 'split', *(str(pairs / n) for n in ('rainy', 'clean', 'lists')), *words]) == 2
        assert f'{words[0]} {words[1]}: ' in capsys.readouterr().err


def test_a_name_that_no_list_can_hold_ends_before_anything_is_written(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ('rainy', 'clean'):
        (pairs / side / '00.png').rename(pairs / side / '#0.png')
    assert main(['data', 'split', *(str(pairs / name) for name in ('rainy', 'clean', 'lists'))]) == 2
    assert "RAINY_DIR: '#0.png' cannot stand in a list" in capsys.readouterr().err
    assert not (pairs / 'lists').exists()
