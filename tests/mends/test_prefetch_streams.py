"""Batches that were copied ahead are known to be read on the stream that trains."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from basicsr.data.prefetch_dataloader import CUDAPrefetcher

from cclgan_plugin.mends import applied


class _OnCard(torch.Tensor):
    """A tensor that says it is on a card, and remembers which streams read it."""

    readers: list[str]

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def record_stream(self, stream: Any) -> None:
        self.readers.append(stream)


class _OnHost(torch.Tensor):
    def to(self, *args: Any, **options: Any) -> Any:
        copied = torch.zeros(self.shape, dtype=self.dtype).as_subclass(_OnCard)
        copied.readers = []
        return copied


@pytest.fixture
def _a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams without a card: ``training`` is the current one, except while the prefetcher copies."""
    current = ['training']

    class Stream:
        def wait_stream(self, other: object) -> None: ...

    class Training(str):
        def wait_stream(self, other: object) -> None: ...

    @contextlib.contextmanager
    def stream(_: object) -> Any:
        current.append('copying')
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, 'Stream', Stream)
    monkeypatch.setattr(torch.cuda, 'stream', stream)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda: Training(current[-1]))


@pytest.mark.usefixtures('_a_card')
def test_every_batch_is_read_on_the_stream_that_trains() -> None:
    assert 'prefetch_streams' in applied
    batches = [{'lq': torch.zeros(2).as_subclass(_OnHost), 'lq_path': ['a.png']} for _ in range(3)]
    prefetcher = CUDAPrefetcher([dict(batch) for batch in batches], {'num_gpu': 1})
    handed = [prefetcher.next() for _ in range(4)]
    assert handed.pop() is None
    assert [batch['lq'].readers for batch in handed] == [['training']] * 3
    assert [batch['lq_path'] for batch in handed] == [['a.png']] * 3


@pytest.mark.usefixtures('_a_card')
def test_the_bytes_too_that_become_floats_at_once() -> None:
    pixels = torch.zeros(2, dtype=torch.uint8).as_subclass(_OnHost)
    prefetcher = CUDAPrefetcher([{'lq': pixels}], {'num_gpu': 1})
    copied = prefetcher.batch['lq']
    assert prefetcher.next()['lq'].dtype == torch.float32
    assert copied.readers == ['training']


@pytest.mark.usefixtures('_a_card')
def test_without_the_mend_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CUDAPrefetcher, 'preload', CUDAPrefetcher.preload.unmended)
    prefetcher = CUDAPrefetcher([{'lq': torch.zeros(2).as_subclass(_OnHost)}], {'num_gpu': 1})
    assert prefetcher.next()['lq'].readers == []
