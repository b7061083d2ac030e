"""The command ``python benchmarks/recorded_step.py``: replays are compared, and a wrong one is found out."""

from __future__ import annotations

import pytest
import torch
from graph_stand_in import Stage

from benchmarks import recorded_step
from benchmarks.agreement import Agreement
from benchmarks.modes import Mode
from benchmarks.recorded_step import Turn, agree, turns
from benchmarks.step_recipes import Setting
from cclgan_plugin.models.lanes import Lanes
from cclgan_plugin.training import recorder

TINY = Setting(size=32, width=4, blocks=1, encoder='none')


@pytest.mark.parametrize('stale', [False, True])
def test_what_is_replayed_must_be_the_step(stale: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, '_Stage', lambda device: Stage(stale))
    monkeypatch.setattr('benchmarks.modes.Lanes', lambda device: Lanes())
    found = list(turns(TINY, Mode(), replays=2))
    assert [turn.replayed for turn in found] == [False] * recorder.WARM_UP + [True] * 2
    assert found[0].again == found[0].recorded == Agreement(0, dict.fromkeys(found[0].again.gradients, 0.0))
    assert agree(found, Mode()) is not stale


@pytest.mark.parametrize(
    ('again', 'losses', 'gradients', 'float32', 'bfloat16'),
    [
        (0, 0, 0, True, True),
        (0, 2e-4, 0, False, False),
        (0, 0, 1e-3, False, True),
        (0.01, 0, 0.019, True, True),
        (0.01, 0, 0.021, False, True),
        (0.01, 0, 0.06, False, False),
    ],
)
def test_how_far_a_replay_may_be_away(
    again: float, losses: float, gradients: float, float32: bool, bfloat16: bool
) -> None:
    turn = Turn(Agreement(0, {'g': again}), Agreement(losses, {'g': gradients}), True)
    assert (agree([turn], Mode()), agree([turn], Mode(bf16=True))) == (float32, bfloat16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='records the kernels of a card')
@pytest.mark.parametrize('mode', ['fp32', 'tf32+bf16+channels_last'])
def test_on_a_card(mode: str) -> None:
    setting = Setting(size=64, batch=2, width=16, blocks=2, encoder='clip+vgg', device='cuda')
    read = Mode.parse(mode)
    assert agree(list(turns(setting, read, replays=4)), read)


def test_there_must_be_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        recorded_step.main(['--device=cpu'])
    assert 'CUDA graphs are of graphics cards' in capsys.readouterr().err
