"""Batches of workers lie in memory that is used again, and never while somebody still reads it."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from cclgan_plugin.data import batch_memory
from cclgan_plugin.data.batch_memory import MOST_BLOCKS, Sample, collate

Loaded = Callable[..., 'DataLoader[dict[str, Any]]']


class _Numbers(Dataset[Sample]):
    """Sample n is full of n; bytes and floats, one of an odd size."""

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> Sample:
        return Sample(
            lq=torch.full((3, 5, 7), index, dtype=torch.uint8),
            gt=torch.full((3, 16, 16), float(index)),
            lq_path=f'{index}.png',
            weight=index / 2,
        )


@pytest.fixture
def loader() -> Loaded:
    def make(start: str = 'fork', workers: int = 1, **options: Any) -> DataLoader[dict[str, Any]]:
        context = {'multiprocessing_context': start} if workers else {}
        return DataLoader(_Numbers(), num_workers=workers, **{'batch_size': 4, **context, **options})

    return make


@pytest.fixture(autouse=True)
def _nothing_from_before() -> None:
    gc.collect()
    batch_memory._theirs.clear()


def _assert_is(batch: dict[str, Any], first: int, size: int = 4) -> None:
    indices = range(first, first + size)
    assert list(batch) == ['lq', 'gt', 'lq_path', 'weight']
    assert batch['lq'].tolist() == [torch.full((3, 5, 7), index).tolist() for index in indices]
    assert torch.equal(
        batch['gt'], torch.tensor([*indices]).float()[:, None, None, None].expand(-1, 3, 16, 16)
    )
    assert batch['lq_path'] == [f'{index}.png' for index in indices]
    assert batch['weight'].tolist() == [index / 2 for index in indices]


@pytest.mark.parametrize('start', ['fork', 'spawn', 'forkserver'])
@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize('persistent', [False, True])
def test_batches_are_what_they_are_without_workers(
    loader: Loaded, start: str, workers: int, persistent: bool
) -> None:
    batches = loader(start, workers, persistent_workers=persistent)
    for _ in range(2):
        for number, batch in enumerate(batches):
            _assert_is(batch, 4 * number)


def test_without_workers_nothing_is_shared(loader: Loaded) -> None:
    for number, batch in enumerate(loader(workers=0)):
        _assert_is(batch, 4 * number)
        assert not batch['gt'].is_shared()


def test_memory_is_used_again(loader: Loaded) -> None:
    batches = loader(persistent_workers=True)
    for _ in range(3):
        for number, batch in enumerate(batches):
            _assert_is(batch, 4 * number)
            assert type(batch) is dict
    blocks = next(iter(batch_memory._theirs.values()))
    # 45 batches; two are loaded ahead, one is held here, one is on its way.
    assert len(blocks) <= 4


def test_what_is_held_stays_as_it_is(loader: Loaded) -> None:
    """All of an epoch's batches: more than there are blocks."""
    held = list(loader())
    assert len(held) > 2 * MOST_BLOCKS
    for number, batch in enumerate(held):
        _assert_is(batch, 4 * number)


@pytest.mark.parametrize('part', [lambda batch: batch['gt'], lambda batch: batch['lq'][1:2, :, ::2]])
def test_a_part_of_one_tensor_holds_the_batch(
    loader: Loaded, part: Callable[[dict[str, Any]], torch.Tensor]
) -> None:
    batches = iter(loader())
    kept = part(next(batches))
    before = kept.clone()
    for _ in batches:
        pass
    assert torch.equal(kept, before)


def test_a_forked_process_gives_nothing_back(loader: Loaded) -> None:
    batches = iter(loader())
    batch = next(batches)
    child = os.fork()
    if child == 0:
        batch.clear()
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    for _ in batches:
        pass
    _assert_is(batch, 0)


def test_a_smaller_last_batch_and_a_larger_one(loader: Loaded) -> None:
    for number, batch in enumerate(loader(batch_size=16)):
        _assert_is(batch, 16 * number, min(16, 60 - 16 * number))


def test_the_memory_of_workers_that_are_gone_is_given_back(loader: Loaded) -> None:
    for _ in range(3):
        for _ in loader(workers=2):
            pass
    assert len(batch_memory._theirs) <= 2


def test_batches_can_be_sent_on(loader: Loaded) -> None:
    for number, batch in enumerate(loader()):
        _assert_is(pickle.loads(pickle.dumps(batch)), 4 * number)


def test_little_shared_memory_is_left_alone(loader: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_memory, 'free_shared_memory', lambda: 64 << 20)
    for number, batch in enumerate(loader()):
        _assert_is(batch, 4 * number)
    assert not batch_memory._theirs


def test_two_loaders_at_a_time(loader: Loaded) -> None:
    for number, (one, two) in enumerate(zip(loader(), loader(), strict=True)):
        _assert_is(one, 4 * number)
        _assert_is(two, 4 * number)


def test_shapes_that_differ_are_an_error() -> None:
    samples = [Sample(lq=torch.zeros(3, size, 4)) for size in (4, 5)]
    with pytest.raises(RuntimeError, match='equal size'):
        collate(samples)
