"""Images are found in folders, by lists and in databases, and what is not there is named."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest

from cclgan_plugin.data.find_source import find_source
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.errors import DataError, OptionError

DISK = {'type': 'disk'}
LMDB = {'type': 'lmdb'}


@pytest.fixture
def database(tmp_path: Path, picture: np.ndarray, encode: Callable[..., bytes]) -> str:
    """A database from BasicSR's own maker, with a dot in one of the keys."""
    from basicsr.utils.lmdb_util import LmdbMaker

    path = str(tmp_path / 'rain.lmdb')
    maker = LmdbMaker(path, map_size=2**24)
    for key in ('a', 'c.d', 'sub/b'):
        maker.put(encode(picture, 'PNG'), key, picture.shape)
    maker.close()
    return path


def test_a_folder(make_folder: Callable[..., str]) -> None:
    root = make_folder('rainy', 3)
    source = find_source('lq', root, None, DISK)
    assert [source.name(i) for i in range(len(source))] == [os.path.join(root, f'0{i}.png') for i in range(3)]
    assert source.read(1) == Path(root, '01.png').read_bytes()


def test_the_home_folder_may_be_written_as_a_tilde(
    make_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HOME', os.path.dirname(make_folder('rainy', 1)))
    assert len(find_source('lq', '~/rainy', None, DISK)) == 1


def test_a_list_chooses_and_orders(make_folder: Callable[..., str], tmp_path: Path) -> None:
    root = make_folder('rainy', 3)
    (tmp_path / 'list.txt').write_text('02.png (24,32,3)\n00.png\n')
    source = find_source('lq', root, str(tmp_path / 'list.txt'), DISK)
    assert [os.path.basename(source.name(i)) for i in range(len(source))] == ['02.png', '00.png']


def test_a_listed_file_that_is_missing_is_named_with_its_line(
    make_folder: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / 'list.txt').write_text('00.png\n\nx.png\ny.png\n')
    with pytest.raises(
        DataError, match=r'list\.txt:3: there is no file "x\.png" in ".*rainy" \(2 of 3 entries'
    ):
        find_source('lq', make_folder('rainy', 1), str(tmp_path / 'list.txt'), DISK)


def test_a_file_that_vanished_is_named(make_folder: Callable[..., str]) -> None:
    source = find_source('lq', make_folder('rainy', 1), None, DISK)
    os.remove(source.name(0))
    with pytest.raises(ImageError, match=r'rainy/00\.png: there is no such file'):
        source.read(0)


def test_a_database_of_basicsrs_maker(
    database: str, picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    source = find_source('lq', database, None, LMDB)
    assert [source.name(i) for i in range(len(source))] == ['a', 'c.d', 'sub/b']
    assert all(source.read(i) == encode(picture, 'PNG') for i in range(len(source)))


def test_a_database_whose_keys_are_cut_at_the_first_dot(database: str, tmp_path: Path) -> None:
    Path(database, 'meta_info.txt').write_text('a.b.c.png (24,36,3) 1\n')
    assert find_source('lq', database, None, LMDB).name(0) == 'a'


def test_a_list_chooses_from_a_database(database: str, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('c.d.png\n')
    source = find_source('gt', database, str(tmp_path / 'list.txt'), LMDB)
    assert [source.name(i) for i in range(len(source))] == ['c.d']


def test_a_key_that_is_missing_is_named_with_its_line(database: str) -> None:
    Path(database, 'meta_info.txt').write_text('a.png (24,36,3) 1\nz.png (24,36,3) 1\n')
    with pytest.raises(DataError, match=r'meta_info\.txt:2: there is no key for "z\.png"'):
        find_source('lq', database, None, LMDB)


def test_a_key_that_vanished_is_named(database: str) -> None:
    source = find_source('lq', database, None, LMDB)
    source.names = ['gone']
    with pytest.raises(ImageError, match=r'rain\.lmdb, key "gone": no such key'):
        source.read(0)


def test_a_database_without_its_list_is_named(database: str) -> None:
    os.remove(Path(database, 'meta_info.txt'))
    with pytest.raises(DataError, match=r'dataroot_lq: there is no file ".*meta_info\.txt"'):
        find_source('lq', database, None, LMDB)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / 'bad.lmdb').mkdir()
    (tmp_path / 'bad.lmdb' / 'data.mdb').write_bytes(b'x' * 10000)
    (tmp_path / 'bad.lmdb' / 'meta_info.txt').write_text('a.png\n')
    with pytest.raises(DataError, match=r'bad\.lmdb" cannot be opened'):
        find_source('lq', str(tmp_path / 'bad.lmdb'), None, LMDB)


def test_a_database_read_as_a_folder_says_so(database: str) -> None:
    with pytest.raises(OptionError, match=r'dataroot_gt: .*io_backend: \{type: lmdb\}'):
        find_source('gt', database, None, DISK)


def test_a_folder_read_as_a_database_says_so(make_folder: Callable[..., str]) -> None:
    with pytest.raises(OptionError, match=r'dataroot_lq: ".*rainy" is not an LMDB database'):
        find_source('lq', make_folder('rainy', 1), None, LMDB)


def test_a_missing_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'dataroot_lq: there is no folder ".*none\.lmdb"'):
        find_source('lq', str(tmp_path / 'none.lmdb'), None, LMDB)


def test_an_unknown_backend_gets_a_hint(make_folder: Callable[..., str]) -> None:
    with pytest.raises(OptionError, match=r'type is "disc", expected one of disk, lmdb. Did you mean "disk"'):
        find_source('lq', make_folder('rainy', 1), None, {'type': 'disc'})


def test_an_opened_database_can_be_sent_to_another_process(database: str) -> None:
    source = find_source('lq', database, None, LMDB)
    source.read(0)
    assert pickle.loads(pickle.dumps(source)).read(1) == source.read(1)


def test_non_ascii_keys(tmp_path: Path) -> None:
    root = tmp_path / 'ä.lmdb'
    with lmdb.open(str(root), map_size=2**20) as opened, opened.begin(write=True) as transaction:
        transaction.put('grün'.encode(), b'bytes')
    (root / 'meta_info.txt').write_text('grün.png (1,1,3) 1\n', encoding='utf-8')
    assert find_source('lq', str(root), None, LMDB).read(0) == b'bytes'
