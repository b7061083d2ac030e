"""Batches of workers lie in memory that is used again, and never while somebody still reads it."""

from __future__ import annotations

import copy
import gc
import os
import pickle
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from cclgan_plugin.data import batch_arrival, batch_memory
from cclgan_plugin.data.batch_arrival import Worker, receive
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
    batch_arrival._announced.clear()


def _assert_is(batch: dict[str, Any], first: int, size: int = 4) -> None:
    indices = range(first, first + size)
    assert list(batch) == ['lq', 'gt', 'lq_path', 'weight']
    assert batch['lq'].tolist() == [torch.full((3, 5, 7), index).tolist() for index in indices]
    assert torch.equal(
        batch['gt'], torch.tensor([*indices]).float()[:, None, None, None].expand(-1, 3, 16, 16)
    )
    assert batch['lq_path'] == [f'{index}.png' for index in indices]
    assert batch['weight'].tolist() == [index / 2 for index in indices]


# A process that is not forked imports everything anew: a few of those, and every case with forked ones.
@pytest.mark.parametrize(
    ('start', 'workers', 'persistent'),
    [
        *(('fork', workers, persistent) for workers in (1, 2) for persistent in (False, True)),
        ('spawn', 2, True),
        ('forkserver', 1, False),
    ],
)
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
    blocks = next(iter(batch_arrival._announced.values()))
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
    assert len(batch_arrival._announced) <= 2


def test_batches_can_be_sent_on(loader: Loaded) -> None:
    for number, batch in enumerate(loader()):
        _assert_is(pickle.loads(pickle.dumps(batch)), 4 * number)


def test_little_shared_memory_is_left_alone(loader: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_memory, 'free_shared_memory', lambda: 64 << 20)
    for number, batch in enumerate(loader()):
        _assert_is(batch, 4 * number)
    assert not batch_arrival._announced


def test_two_loaders_at_a_time(loader: Loaded) -> None:
    for number, (one, two) in enumerate(zip(loader(), loader(), strict=True)):
        _assert_is(one, 4 * number)
        _assert_is(two, 4 * number)


def test_shapes_that_differ_are_an_error() -> None:
    samples = [Sample(lq=torch.zeros(3, size, 4)) for size in (4, 5)]
    with pytest.raises(RuntimeError, match='equal size'):
        collate(samples)


def _changing(samples: list[Sample]) -> dict[str, Any]:
    batch = default_collate(samples)
    batch['lq'] = -batch['gt']
    batch['extra'] = torch.ones(2)
    del batch['weight']
    return batch


def _halving(samples: list[Sample]) -> dict[str, Any]:
    batch = default_collate(samples)
    batch['gt'] = batch['gt'][::2]
    batch['lq'].unsqueeze_(0)
    return batch


def test_what_a_collate_function_changes_arrives(loader: Loaded) -> None:
    for number, batch in enumerate(loader(collate_fn=_changing)):
        assert list(batch) == ['lq', 'gt', 'lq_path', 'extra']
        assert batch['lq'][:, 0, 0, 0].tolist() == [-4 * number - i for i in range(4)]
        assert batch['extra'].tolist() == [1, 1]
    for number, batch in enumerate(loader(collate_fn=_halving)):
        assert batch['gt'][:, 0, 0, 0].tolist() == [4 * number, 4 * number + 2]
        assert batch['lq'].shape == (1, 4, 3, 5, 7)


class _Ready(_Numbers):
    """Batches that are collated by the dataset itself, some of them twice the same, some copied."""

    def __init__(self) -> None:
        self.last: Any = None

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        if index % 3 != 1 or self.last is None:
            self.last = default_collate([_Numbers()[(index + i) % 60] for i in range(4)])
        return copy.copy(self.last) if index % 3 == 2 else self.last


@pytest.mark.parametrize('workers', [1, 2])
def test_batches_that_a_dataset_makes(workers: int) -> None:
    ready = DataLoader(_Ready(), batch_size=None, num_workers=workers, prefetch_factor=8)
    for _ in range(2):
        for index, batch in enumerate(ready):
            if workers == 1:
                _assert_is(batch, index - (index % 3 == 1))
            else:
                assert batch['lq_path'] == [f'{n:.0f}.png' for n in batch['gt'][:, 0, 0, 0].tolist()]


def test_a_forked_process_may_go_on_reading(loader: Loaded) -> None:
    batches = iter(loader(persistent_workers=True))
    batch = next(batches)
    done, told = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.read(done[0], 1)
        os.write(told[1], bytes([int(batch['gt'].sum() == 4608 and batch['lq'][3, 0, 0, 0] == 3)]))
        os._exit(0)
    batch.clear()
    gc.collect()
    for number, other in enumerate(batches):
        _assert_is(other, 4 * number + 4)
    os.write(done[1], b'x')
    assert os.read(told[0], 1) == b'\1'
    os.waitpid(child, 0)
    # The block that the other process may read is lost, and is not kept for nothing.
    assert len(next(iter(batch_arrival._announced.values()))) <= 4


def test_tensors_are_each_of_their_own(loader: Loaded) -> None:
    batch = next(iter(loader()))
    assert batch['gt'].untyped_storage().nbytes() == batch['gt'].nbytes
    weight = torch.ones(4, 3, 16, 16, requires_grad=True)
    product = (weight * batch['gt']).sum()
    batch['lq'].mul_(2)
    product.backward()
    assert torch.equal(weight.grad, batch['gt'])


def test_types_that_differ_are_left_to_pytorch() -> None:
    class Mixed(_Numbers):
        def __getitem__(self, index: int) -> Sample:
            dtype = torch.float64 if index % 4 == 0 else torch.float32
            return Sample(a=torch.full((9,), index, dtype=dtype), empty=torch.zeros(0))

    for plain, batch in zip(
        DataLoader(Mixed(), 4),
        DataLoader(Mixed(), 4, num_workers=1, multiprocessing_context='fork'),
        strict=True,
    ):
        assert torch.equal(plain['a'], batch['a'])
        assert batch['empty'].shape == (4, 0)


class _Failing(_Numbers):
    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return Sample(sample, weight=object() if index % 8 == 0 else 1.0)


def _despite_errors(samples: list[Sample]) -> Any:
    try:
        return default_collate(samples)
    except TypeError:
        return None


def test_an_error_while_collating_costs_no_block() -> None:
    batches = DataLoader(_Failing(), 2, num_workers=1, collate_fn=_despite_errors, persistent_workers=True)
    for _ in range(3):
        for number, batch in enumerate(batches):
            assert (batch is None) == (number % 4 == 0)
    assert len(next(iter(batch_arrival._announced.values()))) <= 4


def test_other_threads_may_receive_while_the_dead_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    def exists_while_another_comes(pid: int) -> bool:
        batch_arrival._announced[Worker(pid + 1, 'another')] = {}
        return False

    batch_arrival._announced[Worker(1, 'dead')] = {}
    monkeypatch.setattr(psutil, 'pid_exists', exists_while_another_comes)
    memory = torch.zeros(128, dtype=torch.uint8)
    batch = receive(Worker(9, 'new'), 0, memory, {'lq': (0, (3,), torch.uint8)}, {})
    assert batch['lq'].tolist() == [0, 0, 0]
    assert Worker(1, 'dead') not in batch_arrival._announced
