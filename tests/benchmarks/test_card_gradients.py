"""The command ``python benchmarks/card_gradients.py``: float32 is near float64, and where it is not, 1."""

from __future__ import annotations

import pytest
import torch

from benchmarks import card_gradients
from benchmarks.agreement import Agreement
from benchmarks.modes import Mode
from benchmarks.step_recipes import Setting

TINY = Setting(size=32, width=4, blocks=1, encoder='none')


def test_float32_is_nearer_than_bfloat16() -> None:
    found = card_gradients.agreements(TINY, [Mode(), Mode(bf16=True)])
    assert list(found) == ['oracle', 'ours', 'ours bf16']
    assert found['ours'].losses < 1e-5
    assert found['ours'].worst_gradient < found['ours bf16'].worst_gradient
    assert found['ours'].gradients.keys() == {'g', 'g_rain', 'd', 'd_rain', 'h', 'h_rain'}


def test_conditioning_moves_weights_by_less_than_float32_can_hold() -> None:
    plain, moved = (card_gradients.oracle_in_float64(TINY, by).trained() for by in (0.0, 2**-25))
    for name, weight in plain.items():
        assert weight.dtype == torch.float64
        assert ((moved[name] - weight).abs() <= 2**-25 * weight.abs()).all()
        assert (moved[name] != weight).any() or not weight.any()
        assert moved[name].float().equal(weight.float())

    found = card_gradients.agreements(TINY, [], conditioning=True)
    assert list(found) == ['float64, weights 3e-08 off', 'float64, weights 5e-10 off', 'oracle']
    far, near, _ = found.values()
    assert 0 < near.worst_gradient < far.worst_gradient < 1e-2


@pytest.mark.parametrize(('ours', 'status'), [(0.0005, 0), (0.003, 0), (0.005, 1)])
def test_the_status(monkeypatch: pytest.MonkeyPatch, ours: float, status: int) -> None:
    def found(setting: Setting, modes: list[Mode], conditioning: bool) -> dict[str, Agreement]:
        return {'oracle': Agreement(0, {'g': 0.002}), 'ours': Agreement(0, {'g': ours})}

    monkeypatch.setattr(card_gradients, 'agreements', found)
    assert card_gradients.main(['--modes=fp32']) == status


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        card_gradients.main(['--size=8'])
    assert '--size must be at least 24, got 8' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        card_gradients.main(['--modes=fp32,bf16+graphs'])
    assert 'recorded_step.py' in capsys.readouterr().err
