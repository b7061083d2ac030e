"""Loaders and samplers: workers that persist where there are any, fresh randomness in each epoch, no
hanging.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from basicsr import data, train
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.data.prefetch_dataloader import CPUPrefetcher, PrefetchDataLoader, PrefetchGenerator
from torch.utils.data import Dataset

from cclgan_plugin.mends.dataset_sampler import ResumableSampler

MakeOpt = Callable[..., dict[str, Any]]


class Numbers(Dataset):
    """Draws from ``random`` and ``np.random``; ``broken`` fails at the third item."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[float, float]:
        if self.broken and index == 2:
            raise LookupError('the third is broken')
        return random.random(), float(np.random.rand())


@pytest.mark.parametrize('phase', ['train', 'val', 'test'])
def test_persistent_workers_without_workers(phase: str) -> None:
    opt = {'phase': phase, 'num_worker_per_gpu': 0, 'batch_size_per_gpu': 2, 'persistent_workers': True}
    assert not data.build_dataloader(Numbers(), opt, num_gpu=0, seed=0).persistent_workers
    assert opt['persistent_workers']
    with pytest.raises(ValueError, match='persistent_workers option needs num_workers > 0'):
        data.build_dataloader.unmended(Numbers(), opt, num_gpu=0, seed=0)


def test_persistent_workers_persist_where_there_are_any() -> None:
    opt = {'phase': 'train', 'num_worker_per_gpu': 1, 'batch_size_per_gpu': 2, 'persistent_workers': True}
    loader = train.build_dataloader(Numbers(), opt, num_gpu=0, seed=0)
    assert loader.persistent_workers
    assert loader.num_workers == 1


def draws(seed: int, init: Callable[..., None] | None = None) -> list[tuple[float, float]]:
    """What two workers draw in three epochs of four items."""
    opt = {'phase': 'train', 'num_worker_per_gpu': 2, 'batch_size_per_gpu': 1}
    loader = data.build_dataloader(Numbers(), opt, num_gpu=0, seed=seed)
    if init is not None:
        loader.worker_init_fn = lambda worker: init(worker, 2, 0, seed)
    torch.manual_seed(seed)
    return [(float(a), float(b)) for _ in range(3) for a, b in loader]


def test_workers_draw_anew_in_each_epoch_and_reproducibly() -> None:
    first = draws(0)
    assert len({a for a, _ in first}) == len({b for _, b in first}) == 12
    assert draws(0) == first
    assert not set(draws(1)) & set(first)


def test_workers_repeat_themselves_without_the_mend() -> None:
    assert len(set(draws(0, data.worker_init_fn.unmended))) == 4


def test_a_dataset_may_bring_its_sampler() -> None:
    class Own(Numbers):
        def make_sampler(self, num_replicas: int, rank: int, ratio: int) -> tuple[str, int, int, int]:
            return ('own', num_replicas, rank, ratio)

    assert train.EnlargedSampler(Own(), 2, 1, 3) == ('own', 2, 1, 3)
    usual = train.EnlargedSampler(Numbers(), 2, 1, 3)
    assert type(usual) is ResumableSampler
    assert len(usual) == 6
    assert list(usual) == list(EnlargedSampler(Numbers(), 2, 1, 3))


@pytest.mark.parametrize('rank', [0, 1])
def test_an_epoch_goes_on_after_what_was_taken(rank: int) -> None:
    sampler, whole = train.EnlargedSampler(Numbers(), 2, rank, 3), EnlargedSampler(Numbers(), 2, rank, 3)
    sampler.resume_at(5, 4)
    for epoch, taken in ((5, 4), (6, 0)):
        sampler.set_epoch(epoch)
        whole.set_epoch(epoch)
        assert list(sampler) == list(whole)[taken:]


def read(workers: int, taken: int = 0) -> list[tuple[float, float]]:
    """What the items of an epoch of twelve draw, by a loader as the pipeline builds it."""
    numbers = Numbers()
    sampler = train.EnlargedSampler(numbers, 1, 0, 3)
    sampler.resume_at(0, taken)
    opt = {'phase': 'train', 'num_worker_per_gpu': workers, 'batch_size_per_gpu': 2}
    loader = data.build_dataloader(numbers, opt, num_gpu=0, sampler=sampler, seed=5)
    return [pair for a, b in loader for pair in zip(a.tolist(), b.tolist(), strict=True)]


@pytest.mark.parametrize('workers', [0, 2])
def test_what_an_item_draws_follows_from_its_place(workers: int) -> None:
    """Not from who reads it, what was read before, or the generators, which stay where they are."""
    random.seed(workers)
    before = random.getstate(), np.random.get_state()[1].tolist()
    whole = read(0)
    assert len(set(whole)) == 12
    assert read(workers, taken=4) == whole[4:]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


class Counting:
    """A loader that counts how often it is started."""

    starts = 0

    def __iter__(self) -> Iterator[int]:
        self.starts += 1
        return iter([1, 2])


def test_the_first_epoch_starts_its_workers_once() -> None:
    loader = Counting()
    prefetcher = CPUPrefetcher(loader)
    assert loader.starts == 0
    prefetcher.reset()
    assert [prefetcher.next() for _ in range(3)] == [1, 2, None]
    assert loader.starts == 1

    unmended = CPUPrefetcher.__new__(CPUPrefetcher)
    CPUPrefetcher.__init__.unmended(unmended, loader)
    assert loader.starts == 2


def test_a_prefetcher_works_without_being_reset_first() -> None:
    prefetcher = CPUPrefetcher(Counting())
    assert [prefetcher.next() for _ in range(3)] == [1, 2, None]


def test_an_error_while_prefetching_reaches_the_training() -> None:
    loader = PrefetchDataLoader(num_prefetch_queue=1, dataset=Numbers(broken=True), batch_size=1)
    with pytest.raises(LookupError, match='the third is broken'):
        list(loader)


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_an_error_while_prefetching_leaves_nothing_to_wait_for_without_the_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PrefetchGenerator, 'run', PrefetchGenerator.run.unmended)
    batches = iter(PrefetchDataLoader(num_prefetch_queue=4, dataset=Numbers(broken=True), batch_size=1))
    batches.join(timeout=30)
    assert not batches.is_alive()
    # The third get() would wait for ever.
    assert batches.queue.qsize() == 2


def test_prefetching_ends_as_the_batches_do() -> None:
    assert len(list(PrefetchDataLoader(num_prefetch_queue=2, dataset=Numbers(), batch_size=1))) == 4
