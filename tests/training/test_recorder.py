"""What is recorded when. That a replay is the step: benchmarks/recorded_step.py, and its test on a card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from cclgan_plugin.training import recorder
from cclgan_plugin.training.recorder import MOST_KINDS, WARM_UP, Recorder


class Stage:
    """Counts instead of recording."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def run(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Any:
        self.calls.append('run')
        return function(*inputs)

    def record(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Any:
        self.calls.append('record')
        stage = self

        class Recorded:
            def replay(self, inputs: Sequence[Tensor]) -> Any:
                stage.calls.append('replay')
                return function(*inputs)

        return Recorded()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    found = Stage()
    monkeypatch.setattr(recorder, '_Stage', lambda device: found)
    return found


def iterate(subject: Recorder, kind: str) -> Tensor:
    subject.begin(kind)
    return subject.run('part', torch.neg, [torch.ones(2)])


def test_without_a_device_nothing_is_recorded() -> None:
    subject = Recorder()
    assert torch.equal(iterate(subject, 'any'), -torch.ones(2))


def test_each_kind_is_warmed_up_recorded_and_replayed(stage: Stage) -> None:
    subject = Recorder(torch.device('cpu'))
    for kind in ('a', 'b'):
        for _ in range(WARM_UP + 2):
            assert torch.equal(iterate(subject, kind), -torch.ones(2))
    assert stage.calls == 2 * [*['run'] * WARM_UP, 'record', 'replay', 'replay']


def test_one_kind_too_many_runs_as_it_is(stage: Stage) -> None:
    subject = Recorder(torch.device('cpu'))
    for _ in range(WARM_UP + 1):
        for kind in range(MOST_KINDS + 1):
            iterate(subject, str(kind))
    assert stage.calls.count('record') == MOST_KINDS
    stage.calls.clear()
    iterate(subject, str(MOST_KINDS))
    assert stage.calls == ['run']
