"""A run's folders: only known ones, and nothing is touched before everything has been checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from basicsr import test, train
from basicsr.utils import misc

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import experiment_folders

MakeOpt = Callable[..., dict[str, Any]]


def test_unknown_path_entries_become_folders_without_the_mend(make_opt: MakeOpt, tmp_path: Path) -> None:
    opt = make_opt()
    opt['path'] = {'experiments_root': str(tmp_path / 'e'), 'clip_weights': str(tmp_path / 'clip.pt')}
    misc.make_exp_dirs.unmended(opt)
    assert (tmp_path / 'clip.pt').is_dir()


@pytest.mark.parametrize('is_train', [True, False])
def test_only_known_folders_are_made(make_opt: MakeOpt, tmp_path: Path, is_train: bool) -> None:
    opt = make_opt(is_train=is_train)
    opt['path']['clip_weights'] = str(tmp_path / 'clip.pt')
    (train if is_train else test).make_exp_dirs(opt)
    root = tmp_path / ('experiments' if is_train else 'results') / 'tiny'
    assert {path.name for path in root.iterdir()} == {'models', 'training_states', 'visualization'}
    assert not (tmp_path / 'clip.pt').exists()


def test_a_failed_check_leaves_an_existing_experiment_alone(
    make_opt: MakeOpt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(opt: dict[str, Any]) -> None:
        raise OptionError(f'{opt["name"]} is not to start')

    kept = tmp_path / 'experiments' / 'tiny' / 'kept.txt'
    kept.parent.mkdir(parents=True)
    kept.touch()
    monkeypatch.setattr(experiment_folders, 'before_create', [refuse])
    with pytest.raises(OptionError, match='tiny is not to start'):
        train.make_exp_dirs(make_opt())
    assert kept.exists()
    assert [path.name for path in (tmp_path / 'experiments').glob('[!.]*')] == ['tiny']


@pytest.mark.parametrize(('is_train', 'folder'), [(True, 'experiments'), (False, 'results')])
def test_two_at_once_do_not_share_a_folder(
    make_opt: MakeOpt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_train: bool, folder: str
) -> None:
    """Two tests of one name would mix their pictures."""
    claimed: list[str] = []
    monkeypatch.setattr(experiment_folders, 'claim', claimed.append)
    (train if is_train else test).make_exp_dirs(make_opt(is_train=is_train))
    assert claimed == [str(tmp_path / folder / 'tiny')]


def test_checks_run_in_every_process_but_one_makes_the_folders(
    make_opt: MakeOpt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(experiment_folders, 'before_create', [lambda opt: seen.append(opt['name'])])
    monkeypatch.setattr(experiment_folders, 'get_dist_info', lambda: (1, 2))
    train.make_exp_dirs(make_opt())
    assert seen == ['tiny']
    assert not (tmp_path / 'experiments').exists()


def test_several_starts_within_one_second_all_keep_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(misc, 'get_time_str', lambda: 'now')
    for number in range(3):
        train.mkdir_and_rename(str(tmp_path / 'a'))
        (tmp_path / 'a' / f'{number}.txt').touch()
    kept = {path.name: [file.name for file in path.iterdir()] for path in tmp_path.iterdir()}
    assert kept == {'a_archived_now': ['0.txt'], 'a_archived_now_2': ['1.txt'], 'a': ['2.txt']}


def test_several_starts_within_one_second_fail_without_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(misc, 'get_time_str', lambda: 'now')
    for number in range(2):
        misc.mkdir_and_rename.unmended(str(tmp_path / 'a'))
        (tmp_path / 'a' / f'{number}.txt').touch()
    with pytest.raises(OSError, match='not empty'):
        misc.mkdir_and_rename.unmended(str(tmp_path / 'a'))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(OptionError, match=r'The folder .*file/a cannot be made: Not a directory'):
        train.mkdir_and_rename(str(tmp_path / 'file' / 'a'))
