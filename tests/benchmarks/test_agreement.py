"""Steps that claim to compute the same are held against the oracle's losses and gradients."""

from __future__ import annotations

import pytest

from benchmarks.agreement import OracleGradients
from benchmarks.modes import Mode
from benchmarks.step_recipes import Recipe, Setting
from benchmarks.step_variants import build_variant

TINY = Setting(size=32, width=16, blocks=1, encoder='none')


@pytest.fixture(scope='module')
def oracle() -> OracleGradients:
    variant = build_variant(Recipe(TINY, oracle=True))
    return OracleGradients(variant, variant.step(learn=False))


@pytest.mark.parametrize('mode', ['fp32', 'channels_last', 'joined'])
def test_our_step_agrees_in_float32(oracle: OracleGradients, mode: str) -> None:
    variant = build_variant(Recipe(TINY, mode=Mode.parse(mode)))
    found = oracle.compare(variant, variant.step(learn=False))
    assert found.losses < 1e-5
    assert set(found.gradients) == {'g', 'g_rain', 'd', 'd_rain', 'h', 'h_rain'}
    assert found.worst_gradient < 1e-2


def test_a_wrong_gradient_and_a_missing_one_are_seen(oracle: OracleGradients) -> None:
    variant = build_variant(Recipe(TINY))
    losses = variant.step(learn=False)
    for p in variant.nets['g'].parameters():
        if p.grad is not None:
            p.grad *= 1.5
    for p in variant.nets['d'].parameters():
        p.grad = None
    found = oracle.compare(variant, losses)
    assert found.gradients['g'] == pytest.approx(0.5, rel=1e-2)
    assert found.gradients['d'] == pytest.approx(1.0)
    assert found.gradients['g_rain'] < 1e-2


def test_a_wrong_loss_is_seen(oracle: OracleGradients) -> None:
    variant = build_variant(Recipe(TINY))
    losses = variant.step(learn=False)
    assert oracle.compare(variant, losses | {'l_idt': losses['l_idt'] + 0.25}).losses == pytest.approx(0.25)
    with pytest.raises(ValueError, match='cannot be compared'):
        oracle.compare(variant, {'l_idt': losses['l_idt']})


def test_without_learning_the_weights_stay() -> None:
    variant = build_variant(Recipe(TINY))
    before = {name: p.detach().clone() for name, p in variant.trained().items()}
    variant.step(learn=False)
    assert all(p.equal(before[name]) for name, p in variant.trained().items())
    variant.step()
    assert not any(p.equal(before[name]) for name, p in variant.trained().items() if name.endswith('weight'))
