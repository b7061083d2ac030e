"""What is recorded when, and, on a card, that a recorded step is the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason='records the kernels of a card')
@pytest.mark.parametrize('mode', ['fp32', 'tf32+bf16+channels_last'])
def test_a_recorded_step_is_the_step(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same weights, which change in between: what a replay reads is there, and is the latest."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2])
    from benchmarks.modes import Mode
    from benchmarks.recorded_step import change_weights
    from benchmarks.step_recipes import Recipe, Setting
    from benchmarks.step_variants import build_variant

    setting = Setting(size=64, batch=2, width=16, blocks=2, encoder='clip+vgg', device='cuda')
    plain, recorded = (
        build_variant(Recipe(setting, mode=Mode.parse(text)))
        for text in (mode, f'{mode}+graphs'.removeprefix('fp32+'))
    )
    tolerance = 1e-4 if mode == 'fp32' else 1e-2
    for turn in range(WARM_UP + 5):
        plain.location_seed = recorded.location_seed = turn
        expected, found = plain.step(learn=False), recorded.step(learn=False)
        for name, value in expected.items():
            assert found[name].item() == pytest.approx(value.item(), rel=tolerance, abs=tolerance), name
        ours = recorded.gradients()
        for name, gradient in plain.gradients().items():
            difference = (gradient - ours[name]).norm() / gradient.norm().clamp_min(1e-6)
            assert difference.item() < 0.05, name
        for variant in (plain, recorded):
            change_weights(variant, turn)
