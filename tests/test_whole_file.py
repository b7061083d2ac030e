"""A file is written whole, and a failed write leaves nothing behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cclgan_plugin.errors import DataError
from cclgan_plugin.whole_file import write_whole


def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_whole(tmp_path / 'a' / 'b.png', b'bytes')
    assert (tmp_path / 'a' / 'b.png').read_bytes() == b'bytes'
    assert os.listdir(tmp_path / 'a') == ['b.png']


def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'a.png').write_bytes(b'old')

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(DataError, match=r'a\.png: cannot be written: No space left on device'):
        write_whole(tmp_path / 'a.png', b'new')
    assert (tmp_path / 'a.png').read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['a.png']


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / 'nowhere').write_bytes(b'a file')
    with pytest.raises(DataError, match='nowhere'):
        write_whole(tmp_path / 'nowhere' / 'file', b'')


@pytest.mark.parametrize('there', [True, False])
def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / 'disk').mkdir()
    if there:
        (tmp_path / 'disk' / 'b.png').write_bytes(b'old')
    os.symlink('disk/b.png', tmp_path / 'a.png')
    write_whole(tmp_path / 'a.png', b'new')
    assert os.readlink(tmp_path / 'a.png') == 'disk/b.png'
    assert (tmp_path / 'disk' / 'b.png').read_bytes() == b'new'
    assert os.listdir(tmp_path / 'disk') == ['b.png']
