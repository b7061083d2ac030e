"""Images that cannot be read are named, whatever holds them."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import pytest
from basicsr import data, train
from basicsr.data import data_util, paired_image_dataset
from basicsr.utils import FileClient, imfrombytes

from cclgan_plugin.errors import DataError
from cclgan_plugin.mends.lmdb_environments import LmdbBackend

WriteImages = Callable[..., Path]


def single(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        'name': 'photos',
        'type': 'SingleImageDataset',
        'phase': 'test',
        'dataroot_lq': str(folder),
        'io_backend': {'type': 'disk'},
        **more,
    }


@pytest.mark.parametrize('content', [b'', b'this is no image', b'\xff\xd8\xff\xe0 nor is this'])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'photo.jpg').write_bytes(content)
    dataset = data.build_dataset(single(tmp_path))
    with pytest.raises(DataError, match=r'photo\.jpg (is empty|is no image|is cut short)'):
        dataset[0]


def test_a_file_that_is_no_image_has_no_name_without_the_mend() -> None:
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'astype'"):
        imfrombytes.unmended(b'this is no image', float32=True)


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_an_image_cut_short_is_named(tmp_path: Path, extension: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    content = cv2.imencode(extension, noise)[1].tobytes()
    (tmp_path / f'photo{extension}').write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf'photo\{extension} is'):
        data.build_dataset(single(tmp_path))[0]


def test_a_jpeg_with_something_behind_its_end_is_read() -> None:
    content = cv2.imencode('.jpg', np.full((8, 8, 3), 100, np.uint8))[1].tobytes()
    assert imfrombytes(content + b'trailer of a camera').shape == (8, 8, 3)
    for cut_short in (content[:-20], content[:-20] + b'trailer of a camera'):
        with pytest.raises(DataError, match='the end of the JPEG is missing'):
            imfrombytes(cut_short)


def test_each_side_of_a_pair_is_named(tmp_path: Path, write_images: WriteImages) -> None:
    lq, gt = write_images(tmp_path / 'lq', 2), write_images(tmp_path / 'gt', 2)
    (gt / '1.png').write_text('text')
    opt = single(lq, type='PairedImageDataset', dataroot_gt=str(gt), scale=1)
    dataset = data.build_dataset(opt)
    assert dataset[0]['gt'].shape == (3, 16, 16)
    with pytest.raises(DataError, match=r'gt/1\.png is no image'):
        dataset[1]


def test_a_file_that_has_gone_is_named(tmp_path: Path, write_images: WriteImages) -> None:
    dataset = data.build_dataset(single(write_images(tmp_path / 'a', 1)))
    (tmp_path / 'a' / '0.png').unlink()
    with pytest.raises(DataError, match=r'a/0\.png cannot be read: No such file'):
        dataset[0]


def test_decoding_gives_what_it_gave() -> None:
    content = cv2.imencode('.png', np.arange(48, dtype=np.uint8).reshape(4, 4, 3))[1].tobytes()
    for flag in ('color', 'grayscale', 'unchanged'):
        for float32 in (False, True):
            expected = imfrombytes.unmended(content, flag, float32)
            found = imfrombytes(content, flag, float32)
            assert found.dtype == expected.dtype
            assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ('prepare', 'message'),
    [
        (lambda root: (root / 'lq').mkdir(), 'holds no images'),
        (lambda root: None, 'No such file or directory'),
    ],
)
def test_an_empty_or_missing_folder_is_named(
    tmp_path: Path, prepare: Callable[[Path], None], message: str
) -> None:
    prepare(tmp_path)
    with pytest.raises(
        DataError, match=rf'datasets.test "photos" \(SingleImageDataset; dataroot_lq: .*/lq\).*{message}'
    ):
        data.build_dataset(single(tmp_path / 'lq'))


def test_an_empty_folder_passes_without_the_mend(tmp_path: Path) -> None:
    assert len(data.build_dataset.unmended(single(tmp_path))) == 0


def test_sides_that_do_not_match_are_named(tmp_path: Path, write_images: WriteImages) -> None:
    lq, gt = write_images(tmp_path / 'lq', 2), write_images(tmp_path / 'gt', 3)
    with pytest.raises(DataError, match='lq and gt datasets have different number of images: 2, 3'):
        data.build_dataset(single(lq, type='PairedImageDataset', dataroot_gt=str(gt)))


def test_defects_of_other_datasets_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Defective:
        def __init__(self, opt: dict[str, Any]) -> None:
            raise ValueError('a defect')

    monkeypatch.setitem(data.DATASET_REGISTRY._obj_map, 'Defective', Defective)
    with pytest.raises(ValueError, match='a defect'):
        data.build_dataset({'type': 'Defective', 'name': 'd', 'phase': 'train'})


@pytest.fixture
def database(tmp_path: Path) -> str:
    """An LMDB of two images, as BasicSR writes them."""
    path = str(tmp_path / 'pairs.lmdb')
    environment = lmdb.open(path, map_size=1 << 20)
    with environment.begin(write=True) as transaction:
        for key in ('a', 'b'):
            image = np.full((4, 4, 3), ord(key), np.uint8)
            transaction.put(key.encode(), cv2.imencode('.png', image)[1].tobytes())
    environment.close()
    Path(path, 'meta_info.txt').write_text('a.png (4,4,3) 1\nb.png (4,4,3) 1\n')
    return path


def test_one_database_can_be_both_sides_and_be_read_by_two_datasets(database: str) -> None:
    opt = single(
        Path(database), type='PairedImageDataset', dataroot_gt=database, scale=1, io_backend={'type': 'lmdb'}
    )
    for dataset in (data.build_dataset(opt), data.build_dataset(opt)):
        for side in ('lq', 'gt'):
            assert (dataset[1][side] * 255).round().unique().tolist() == [ord('b')]


def test_one_database_cannot_be_both_sides_without_the_mend(database: str) -> None:
    backend = LmdbBackend.__new__(LmdbBackend)
    with pytest.raises(lmdb.Error, match='already open in this process'):
        LmdbBackend.__init__.unmended(backend, [database, database], ['lq', 'gt'])


def test_a_database_is_shared_with_the_plugins_own_readers(database: str) -> None:
    from cclgan_plugin.data.lmdb_environment import environment

    environment(database)
    assert FileClient('lmdb', db_paths=[database], client_keys=['lq']).get('a', 'lq')


def test_a_database_is_read_on_after_a_fork_and_a_pickle(database: str) -> None:
    client = FileClient('lmdb', db_paths=[database], client_keys=['lq'])
    expected = client.get('a', 'lq')
    assert pickle.loads(pickle.dumps(client)).get('a', 'lq') == expected
    child = os.fork()
    if child == 0:
        os._exit(0 if client.get('a', 'lq') == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.get('a', 'lq') == expected


def test_a_missing_key_or_database_is_named(database: str, tmp_path: Path) -> None:
    client = FileClient('lmdb', db_paths=[database, str(tmp_path / 'no.lmdb')], client_keys=['lq', 'gt'])
    with pytest.raises(DataError, match=r'pairs\.lmdb has no key "c"'):
        client.get('c', 'lq')
    with pytest.raises(DataError, match=r'no\.lmdb'):
        client.get('a', 'gt')


def test_backend_options_that_cannot_be_chosen_are_refused(database: str) -> None:
    FileClient('lmdb', db_paths=database, readonly=True, lock=False)
    with pytest.raises(DataError, match='readahead: True cannot be chosen'):
        FileClient('lmdb', db_paths=database, readahead=True)
    with pytest.raises(DataError, match='cannot stand for 1 databases'):
        FileClient('lmdb', db_paths=database, client_keys=['a', 'b'])


def test_names_copied_into_datasets_are_mended() -> None:
    assert paired_image_dataset.imfrombytes is imfrombytes
    assert train.build_dataset is data.build_dataset


def test_folders_are_read_in_the_order_of_their_names(
    tmp_path: Path, write_images: WriteImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_images(tmp_path / 'a', 4)
    listed = data_util.scandir
    monkeypatch.setattr(data_util, 'scandir', lambda path: sorted(listed(path), reverse=True))
    names = [f'{number}.png' for number in range(4)]
    folders, keys = [str(folder), str(folder)], ['lq', 'gt']
    pairs = paired_image_dataset.paired_paths_from_folder(folders, keys, '{}')
    assert [Path(pair['lq_path']).name for pair in pairs] == names
    assert [Path(path).name for path in data_util.paths_from_folder(str(folder))] == names
    unmended = paired_image_dataset.paired_paths_from_folder.unmended(folders, keys, '{}')
    assert [Path(pair['lq_path']).name for pair in unmended] == names[::-1]


def test_listed_names_may_have_spaces_and_lists_comments(tmp_path: Path, write_images: WriteImages) -> None:
    folder = write_images(tmp_path / 'a', 2)
    (folder / '0.png').rename(folder / 'my photo 0.png')
    listed = tmp_path / 'list.txt'
    listed.write_text('# mine\nmy photo 0.png\n\n1.png (16,16,3)\n')
    names = ['my photo 0.png', '1.png']
    folders, keys = [str(folder), str(folder)], ['lq', 'gt']
    pairs = paired_image_dataset.paired_paths_from_meta_info_file(folders, keys, str(listed), '{}')
    assert [(Path(pair['lq_path']).name, Path(pair['gt_path']).name) for pair in pairs] == [
        (name, name) for name in names
    ]
    dataset = data.build_dataset(single(folder, meta_info_file=str(listed)))
    assert [Path(dataset[index]['lq_path']).name for index in range(len(dataset))] == names
    paired = paired_image_dataset.paired_paths_from_meta_info_file
    unmended = paired.unmended(folders, keys, str(listed), '{}')
    assert Path(unmended[1]['gt_path']).name == 'my'


def test_a_list_of_a_database_is_read_too(database: str, tmp_path: Path) -> None:
    """Else validation would be measured on what was trained on."""
    (tmp_path / 'list.txt').write_text('b.png\n')
    backend = {'io_backend': {'type': 'lmdb'}, 'meta_info_file': str(tmp_path / 'list.txt')}
    one = data.build_dataset(single(Path(database), **backend))
    assert one.paths == ['b']
    pairs = single(Path(database), type='PairedImageDataset', dataroot_gt=database, scale=1, **backend)
    assert data.build_dataset(pairs).paths == [{'lq_path': 'b', 'gt_path': 'b'}]
    (tmp_path / 'list.txt').write_text('b.png\nz.png\n')
    with pytest.raises(DataError, match=r'list\.txt:2: there is no key for "z\.png"'):
        data.build_dataset(single(Path(database), **{**backend, 'io_backend': {'type': 'lmdb'}}))
    (tmp_path / 'list.txt').unlink()
    with pytest.raises(DataError, match=r'^meta_info_file: there is no file'):
        data.build_dataset(single(Path(database), **{**backend, 'io_backend': {'type': 'lmdb'}}))


def test_listed_pairs_keep_their_folders(tmp_path: Path, write_images: WriteImages) -> None:
    """``a/0.png`` is not the ``0.png`` that lies beside ``a``."""
    lq = write_images(tmp_path / 'lq', 1)
    write_images(lq / 'a', 1)
    gt = write_images(tmp_path / 'gt' / 'a', 1).parent
    (tmp_path / 'list.txt').write_text('a/0.png\n')
    words = ([str(lq), str(gt)], ['lq', 'gt'], str(tmp_path / 'list.txt'), '{}')
    paired = paired_image_dataset.paired_paths_from_meta_info_file
    assert Path(paired(*words)[0]['lq_path']) == lq / 'a' / '0.png'
    assert Path(paired.unmended(*words)[0]['lq_path']) == lq / '0.png'
    (lq / 'a' / '0.png').unlink()  # flat, as BasicSR has it
    assert Path(paired(*words)[0]['lq_path']) == lq / '0.png'
