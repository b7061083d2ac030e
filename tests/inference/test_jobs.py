"""Videos in a folder are found by the same rules as pictures: nothing hidden, links followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cclgan_plugin.errors import DataError
from cclgan_plugin.inference.jobs import plan


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'')


def test_hidden_files_are_no_jobs_and_do_not_stand_for_pictures(tmp_path: Path) -> None:
    _touch(tmp_path, 'in/a.mp4', 'in/.thumbs/t.png', 'in/.thumbs/v.mp4', 'in/._a.mp4')
    jobs = plan([str(tmp_path / 'in')], str(tmp_path / 'out'))
    assert [(job.name, job.is_video) for job in jobs] == [('a.mp4', True)]


def test_links_are_followed(tmp_path: Path) -> None:
    _touch(tmp_path, 'in/a.png', 'other/b.mp4', 'other/c.gif')
    os.symlink(tmp_path / 'other', tmp_path / 'in' / 'link')
    jobs = plan([str(tmp_path / 'in')], str(tmp_path / 'out'))
    assert [job.name for job in jobs] == ['a.png', 'link/b.mp4', 'link/c.gif']


def test_a_folder_with_neither_is_told_what_it_has(tmp_path: Path) -> None:
    _touch(tmp_path, 'in/a.txt', 'in/b.gif')
    with pytest.raises(DataError, match=r'no image in ".*", found only 1 x \.gif, 1 x \.txt|1 x \.txt, 1 x'):
        plan([str(tmp_path / 'in')], str(tmp_path / 'out'))
