"""The map grows with what is stored."""

from __future__ import annotations

from pathlib import Path

import lmdb
import pytest

from cclgan_plugin.data import lmdb_writer
from cclgan_plugin.data.lmdb_writer import LmdbWriter
from cclgan_plugin.errors import DataError


def _content(path: Path) -> dict[bytes, bytes]:
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return {bytes(key): bytes(value) for key, value in transaction.cursor()}


def test_the_map_grows_as_often_as_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_writer, '_FIRST_MAP', 1 << 16)
    items = [(f'{i:03d}', bytes([i]) * 100_000) for i in range(60)]
    with LmdbWriter(str(tmp_path / 'a.lmdb')) as writer:
        writer.put(items[:1])
        writer.put(items[1:])
    assert _content(tmp_path / 'a.lmdb') == {key.encode(): value for key, value in items}


def test_keys_are_replaced_and_deleted(tmp_path: Path) -> None:
    path = str(tmp_path / 'a.lmdb')
    with LmdbWriter(path) as writer:
        writer.put([('a', b'1'), ('b', b'2')])
    with LmdbWriter(path) as writer:
        writer.put([('b', b'3')])
        writer.delete(['a', 'never there'])
    assert _content(tmp_path / 'a.lmdb') == {b'b': b'3'}


def test_all_or_nothing_is_stored(tmp_path: Path) -> None:
    with LmdbWriter(str(tmp_path / 'a.lmdb')) as writer:
        with pytest.raises(DataError, match='cannot be written'):
            writer.put([('a', b'1'), ('x' * 600, b'2')])
        writer.put([('b', b'2')])
    assert _content(tmp_path / 'a.lmdb') == {b'b': b'2'}


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match='cannot be opened for writing'):
        LmdbWriter(str(tmp_path / 'file' / 'a.lmdb'))


def test_what_is_flushed_behind_is_all_there_after_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_writer, '_FIRST_MAP', 1 << 16)
    monkeypatch.setattr(lmdb_writer, '_FLUSH_EVERY', 150_000)
    items = [(f'{i:03d}', bytes([i]) * 100_000) for i in range(60)]
    # The map grows while the other thread flushes.
    with LmdbWriter(str(tmp_path / 'a.lmdb'), flush_behind=True) as writer:
        for item in items:
            writer.put([item])
    assert _content(tmp_path / 'a.lmdb') == {key.encode(): value for key, value in items}
