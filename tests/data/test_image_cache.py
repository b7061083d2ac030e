"""Cached images are the same images, read once, and shared by workers however these are started."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, get_worker_info

from cclgan_plugin.data import UnpairedImageDataset, shared_bytes
from cclgan_plugin.data.image_cache import DecodedCache, EncodedCache
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_folder import find_images
from cclgan_plugin.data.image_side import ImageSide
from cclgan_plugin.data.shared_bytes import SharedBytes
from cclgan_plugin.data.sources import FileSource
from cclgan_plugin.errors import DataError, OptionError


@pytest.fixture
def make(make_folder: Callable[..., str]) -> Callable[..., UnpairedImageDataset]:
    roots = {'dataroot_lq': make_folder('rainy', 7), 'dataroot_gt': make_folder('clean', 4)}

    def run(**changes: Any) -> UnpairedImageDataset:
        return UnpairedImageDataset({'gt_size': 16, 'manual_seed': 5, **roots, **changes})

    return run


def _epochs(dataset: UnpairedImageDataset, **loader: Any) -> list[dict[str, Any]]:
    sampler = dataset.make_sampler()
    loaded = DataLoader(dataset, batch_size=2, sampler=sampler, **loader)
    batches = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        batches += list(loaded)
    return batches


@pytest.mark.parametrize(
    ('cache', 'start'), [('encoded', None), ('encoded', 'fork'), ('decoded', None), ('decoded', 'spawn')]
)
def test_samples_are_the_same_and_files_are_read_once(
    make: Callable[..., UnpairedImageDataset], cache: str, start: str | None
) -> None:
    expected = _epochs(make())
    dataset = make(cache=cache)
    for side in (dataset.lq, dataset.gt):
        for index in range(len(side)):
            os.remove(side.source.name(index))
    workers = (
        {'num_workers': 2, 'multiprocessing_context': start, 'persistent_workers': True} if start else {}
    )
    for one, other in zip(expected, _epochs(dataset, **workers), strict=True):
        assert one['lq_path'] == other['lq_path']
        assert torch.equal(one['lq'], other['lq'])
        assert torch.equal(one['gt'], other['gt'])


@pytest.mark.parametrize('cache', ['encoded', 'decoded'])
def test_a_bad_image_is_named_when_it_is_asked_for_or_skipped(
    make: Callable[..., UnpairedImageDataset], cache: str
) -> None:
    bad = Path(make().lq.source.name(3))
    bad.write_bytes(b'no image')
    with pytest.raises(ImageError, match=r'03\.png: not a PNG'):
        _epochs(make(cache=cache))
    assert len(_epochs(make(cache=cache, corrupt_images='skip'))) == 8


def test_sixteen_bits_come_back(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (9, 8, 3), dtype=np.uint16)
    (tmp_path / 'a.png').write_bytes(encode(image, 'PNG'))
    cached = DecodedCache(FileSource(str(tmp_path), ['a.png']), None).get(0)
    assert cached is not None
    np.testing.assert_array_equal(cached, image)


def test_the_encoded_cache_is_a_source_like_any_other(make_folder: Callable[..., str]) -> None:
    root = make_folder('rainy', 3)
    source = FileSource(root, find_images(root))
    cached = EncodedCache(source)
    assert len(cached) == 3
    assert cached.places() == source.places()
    assert [cached.read(i) for i in range(3)] == [source.read(i) for i in range(3)]
    assert [cached.name(i) for i in range(3)] == [source.name(i) for i in range(3)]


def test_many_blocks_hold_what_was_appended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_bytes, '_BLOCK', 1000)
    rng = np.random.default_rng(0)
    pieces = [rng.integers(0, 256, rng.integers(0, 700), dtype=np.uint8) for _ in range(40)]
    shared = SharedBytes()
    for index, piece in enumerate(pieces):
        shared.append(None if index == 7 else piece)
    shared.close()
    assert shared[7] is None
    for index, piece in enumerate(pieces):
        if index != 7:
            np.testing.assert_array_equal(shared[index], piece)
    assert shared.size == sum(map(len, pieces)) - len(pieces[7])


def test_too_little_shared_memory_is_said_before_it_kills(
    make_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_bytes, 'free_shared_memory', lambda: 1000)
    root = make_folder('rainy', 3)
    for cache, others in (('decoded', 'encoded or off'), ('encoded', 'off')):
        message = rf'cache: {cache}: dataroot_lq: 3 images fill .*choose cache: {others}$'
        with pytest.raises(DataError, match=message):
            ImageSide('dataroot_lq', FileSource(root, find_images(root)), 'error', cache)


def test_unknown_caches_are_refused(make: Callable[..., UnpairedImageDataset]) -> None:
    with pytest.raises(OptionError, match=r'cache: "decodet".*Did you mean "decoded"'):
        make(cache='decodet')


def test_eight_bit_crops_are_the_same_crops(make: Callable[..., UnpairedImageDataset]) -> None:
    for one, other in zip(_epochs(make()), _epochs(make(uint8=True)), strict=True):
        assert other['lq'].dtype == torch.uint8
        assert torch.equal(one['lq'], other['lq'].float() / 255)
        assert torch.equal(one['gt'], other['gt'].float() / 255)


def test_eight_bit_crops_of_sixteen_bit_images_are_rounded(
    tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    (tmp_path / 'a.png').write_bytes(encode(image, 'PNG'))
    root = {'dataroot_lq': str(tmp_path), 'dataroot_gt': str(tmp_path), 'gt_size': 16, 'use_hflip': False}
    sample = UnpairedImageDataset({**root, 'uint8': True})[0]
    np.testing.assert_array_equal(
        sample['lq'].numpy(), np.rint(image.transpose(2, 0, 1) / 257).astype(np.uint8)
    )


class _Deadly(UnpairedImageDataset):
    """Its first worker is killed in the second epoch, as the out-of-memory killer does it."""

    def __getitem__(self, key: Any) -> dict[str, Any]:
        if key.epoch == 1 and get_worker_info().id == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(key)


@pytest.mark.parametrize('mode', [None, 'cpu'])
def test_a_worker_that_is_killed_ends_the_epoch_and_does_not_hang(
    make: Callable[..., UnpairedImageDataset], mode: str | None
) -> None:
    from basicsr.data import build_dataloader
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    dataset = _Deadly(make().opt)
    options = {
        'phase': 'train',
        'num_worker_per_gpu': 2,
        'batch_size_per_gpu': 2,
        'persistent_workers': True,
        'prefetch_mode': mode,
    }
    sampler = dataset.make_sampler()
    prefetcher = CPUPrefetcher(build_dataloader(dataset, options, num_gpu=0, sampler=sampler, seed=0))

    def epoch(number: int) -> int:
        sampler.set_epoch(number)
        prefetcher.reset()  # already here the worker may have been killed
        return len(list(iter(prefetcher.next, None)))

    start = time.monotonic()
    assert epoch(0) == 3
    with pytest.raises(RuntimeError, match='worker'):
        epoch(1)
    assert time.monotonic() - start < 60
