"""One environment per database and process, also after a fork."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import lmdb
import pytest

from cclgan_plugin.data.lmdb_environment import close_environment, environment
from cclgan_plugin.data.sources import LmdbSource
from cclgan_plugin.errors import DataError


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / 'x.lmdb')
    with lmdb.open(path, map_size=2**20) as opened, opened.begin(write=True) as transaction:
        transaction.put(b'key', b'value')
    return path


def _read(path: str) -> bytes:
    with environment(path).begin() as transaction:
        return bytes(transaction.get(b'key'))


def test_everybody_in_a_process_shares_one(database: str, tmp_path: Path) -> None:
    os.symlink(database, tmp_path / 'link.lmdb')
    assert environment(database) is environment(str(tmp_path / 'link.lmdb'))


def _is_at(path: str, place: int) -> bool:
    return id(environment(path)) == place


def test_a_forked_process_gets_its_own_and_the_parent_keeps_its_own(database: str) -> None:
    parent = environment(database)
    # Without the replacement, LMDB refuses here: "already open in this process".
    with multiprocessing.get_context('fork').Pool(1) as pool:
        assert pool.apply(_read, (database,)) == b'value'
        assert not pool.apply(_is_at, (database, id(parent)))
    assert environment(database) is parent
    assert _read(database) == b'value'


def test_a_folder_that_may_not_be_written_to_is_read(database: str) -> None:
    os.remove(os.path.join(database, 'lock.mdb'))
    assert _read(database) == b'value'
    assert not os.path.exists(os.path.join(database, 'lock.mdb'))


def test_a_database_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    # Reading what is not there would end the process: "Bus error".
    path = str(tmp_path / 'x.lmdb')
    with lmdb.open(path, map_size=2**20) as opened, opened.begin(write=True) as transaction:
        transaction.put(b'key', bytes(100_000))
    assert len(_read(path)) == 100_000
    close_environment(path)
    os.truncate(os.path.join(path, 'data.mdb'), 50_000)
    with pytest.raises(DataError, match=r'x\.lmdb" is cut short: its data\.mdb has 50000 bytes'):
        environment(path)


def test_reading_image_after_image_does_not_look_for_the_database_each_time(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = LmdbSource(database, ['key'])
    looked: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(os.path, 'realpath', lambda path: looked.append(path) or path)
        assert source.read(0) == b'value'
    assert not looked
