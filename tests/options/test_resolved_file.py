"""Beside an experiment lies one complete options file, which can be used again."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.options.inherit import load_options
from cclgan_plugin.options.parse import copy_opt_file, parse_options
from cclgan_plugin.options.resolved_file import dump_options


@pytest.fixture
def started(tmp_path: Path, tiny: Path, write: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The options of a run that inherits and overrides; gives the written file."""
    child = write(tmp_path / 'child.yml', '_base_: tiny.yml\nname: child\ntrain: {pool_size: 7}\n')
    argv = ['/bin/basicsr', '-opt', str(child), '--force_yml', 'train:optim_g:lr=3e-4', 'val=null']
    monkeypatch.setattr(sys, 'argv', argv)
    opt, args = parse_options(str(tmp_path))
    folder = tmp_path / 'experiment'
    folder.mkdir()
    # What the run does to its options afterwards is not of interest.
    opt['train']['optim_g'].pop('type')
    copy_opt_file(args.opt, str(folder))
    return folder / 'child.yml'


def test_it_holds_what_was_inherited_forced_and_filled_in(started: Path) -> None:
    """No ``_base_`` is left, defaults are spelt out."""
    values = load_options(started).values
    assert '_base_' not in values
    assert values['name'] == 'child'
    assert (values['train']['pool_size'], values['train']['optim_g']) == (7, {'type': 'Adam', 'lr': 3e-4})
    assert values['val'] is None
    assert values['logger']['print_freq'] == 100


def test_it_holds_nothing_of_the_run_itself(started: Path) -> None:
    """Ranks and folders belong to one run; the file is for the next."""
    values = load_options(started).values
    assert not values.keys() & {'dist', 'rank', 'world_size', 'is_train', 'auto_resume', 'root_path'}
    assert 'experiments_root' not in values['path']
    assert 'phase' not in values['datasets']['train']


def test_it_is_valid_again_and_gives_the_same(started: Path, check: Any, tmp_path: Path) -> None:
    """Checking the written file gives what was written."""
    assert check(started) == load_options(started).values


def test_it_says_when_and_by_what_command(started: Path) -> None:
    """The command can be copied to a shell."""
    header = started.read_text().split('\n\n')[0]
    assert '# Written: ' in header
    assert '--force_yml train:optim_g:lr=3e-4 val=null' in header
    assert started.read_text().splitlines()[4] == 'name: child'


@pytest.mark.parametrize(
    'value',
    [
        '1e5',
        '1e-4',
        '0o17',
        '010',
        '1:30',
        'yes',
        'off',
        '~',
        'null',
        '2024-01-01',
        '',
        ' x',
        'a: b',
        '# c',
        'é',
        '!x',
        '1_0',
        'a\n\n\nb\n',
    ],
)
def test_texts_stay_texts_for_every_reader(value: str) -> None:
    """Both our reader and a YAML 1.1 reader get the same value back."""
    from cclgan_plugin.options.yaml_file import OptionsLoader

    options = {'a': value, 'm': {'l': [value, 1, 1e-7, None, True, {'x': [[1], value]}]}}
    text = dump_options(options)
    assert yaml.safe_load(text) == options
    assert yaml.load(text, Loader=OptionsLoader) == options


def test_lists_of_numbers_are_short(started: Path) -> None:
    """Readable: betas in one line, an empty line between the parts."""
    text = dump_options({'name': 'x', 'train': {'betas': [0.5, 0.999]}, 'val': None, 'path': {'a': 1}})
    assert text == 'name: x\n\ntrain:\n  betas: [0.5, 0.999]\n\nval: ~\n\npath:\n  a: 1\n'


def test_a_file_that_was_never_parsed_is_written_too(tmp_path: Path, tiny: Path, write: Any) -> None:
    """A user's own script may call copy_opt_file by itself."""
    child = write(tmp_path / 'own.yml', '_base_: tiny.yml\nname: own\n')
    (tmp_path / 'out').mkdir()
    copy_opt_file(str(child), str(tmp_path / 'out'))
    assert load_options(tmp_path / 'out' / 'own.yml').values['train']['total_iter'] == 4


def test_a_failed_write_leaves_the_old_file(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: one clear error, the file that was there is whole, no rest lies about."""
    before = started.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(TrainingError, match=r'child.yml: cannot be written: No space left on device'):
        copy_opt_file(str(started.parent.parent / 'child.yml'), str(started.parent))
    assert started.read_bytes() == before
    assert [path.name for path in started.parent.iterdir()] == ['child.yml']


def test_only_the_first_process_writes(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes share the folder."""
    from basicsr.utils import dist_util

    started.unlink()
    monkeypatch.setattr(dist_util, 'get_dist_info', lambda: (1, 2))
    copy_opt_file(str(started.parent.parent / 'child.yml'), str(started.parent))
    assert not started.exists()
