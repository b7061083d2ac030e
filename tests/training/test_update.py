"""A step on the mean of the parts' losses, clipped, and not taken where something is no number."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from cclgan_plugin.training.finite_guard import GRADIENT, FiniteGuard
from cclgan_plugin.training.precision import Precision
from cclgan_plugin.training.update import Update

TARGETS = torch.tensor([[1.0, 2.0], [3.0, -4.0]])


def make(parts: int, grad_clip: float = 0.0, lr: float = 0.5) -> tuple[torch.nn.Parameter, Update]:
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr)
    precision = Precision('off', torch.device('cpu'))
    return weight, Update('g', [optimizer], precision, FiniteGuard(limit=3), parts, grad_clip)


def step(
    update: Update, parts: Iterable[dict[str, Tensor]], iteration: int
) -> tuple[dict[str, Tensor], bool]:
    return update.apply(update.differentiate(parts), iteration)


def losses(weight: Tensor, target: Tensor) -> dict[str, Tensor]:
    return {'l_near': ((weight - target) ** 2).sum() / 2, 'l_sum': weight.sum()}


def test_the_step_is_that_of_the_mean_of_the_parts() -> None:
    weight, update = make(parts=2)
    found, good = step(update, (losses(weight, target) for target in TARGETS), 1)
    assert good
    # Gradients: weight - target + 1, from zero.
    torch.testing.assert_close(weight.detach(), 0.5 * (TARGETS.mean(0) - 1))
    torch.testing.assert_close(found['l_near'], (TARGETS**2).sum() / 4)
    assert list(found) == ['l_near', 'l_sum']


def test_a_part_is_computed_after_the_gradients_of_the_one_before() -> None:
    weight, update = make(parts=2)
    seen = []

    def parts():
        for target in TARGETS:
            seen.append(None if weight.grad is None else weight.grad.clone())
            yield losses(weight, target)

    step(update, parts(), 1)
    assert seen[0] is None
    torch.testing.assert_close(seen[1], (1 - TARGETS[0]) / 2)


def test_a_longer_gradient_is_shortened() -> None:
    weight, update = make(parts=1, grad_clip=0.1, lr=1.0)
    step(update, [losses(weight, TARGETS[1])], 1)
    assert weight.detach().norm().item() == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize('what', ['loss', 'gradient'])
def test_nothing_moves_on_what_is_no_number(what: str) -> None:
    weight, update = make(parts=1)
    # The root of zero is 0, its gradient infinite.
    bad = weight.sum() / 0 if what == 'loss' else weight.abs().sum().sqrt() * 1e30
    _, good = step(update, [{'l_bad': bad}], 7)
    assert not good
    assert torch.equal(weight.detach(), torch.zeros(2))
    assert update.guard.last is not None
    assert update.guard.last.iteration == 7
    assert update.guard.last.term == ('l_bad' if what == 'loss' else GRADIENT)


@pytest.mark.parametrize('deferred', [False, True])
def test_under_fp16_a_gradient_that_no_scale_helps_is_counted(deferred: bool) -> None:
    """A few overflows are the search for the scale; at a scale of 1 there is nothing left to search."""
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], 0.5, fused=deferred)
    guard = FiniteGuard(limit=3, deferred=deferred)
    update = Update('g', [optimizer], Precision('fp16', torch.device('cpu')), guard)

    def learn(iteration: int, bad: bool) -> None:
        guard.begin()
        step(update, [{'l_bad': weight.abs().sum().sqrt() * 1e30 if bad else (weight + 1).sum()}], iteration)

    for iteration in range(1, 21):  # the scale falls from 2^16 to 1 in the first 16
        learn(iteration, bad=True)
    guard.flush()
    assert guard.skipped == 4
    assert guard.exhausted
    assert guard.last is not None
    assert guard.last.term == GRADIENT
    assert torch.equal(weight.detach(), torch.zeros(2))
    learn(21, bad=False)
    guard.flush()
    assert guard.skipped == 4
    torch.testing.assert_close(weight.detach(), torch.full((2,), -0.5))


def test_a_first_step_that_a_gpu_skips_leaves_no_momentum(monkeypatch: pytest.MonkeyPatch) -> None:
    empty_like = torch.empty_like
    # What unused memory may hold.
    monkeypatch.setattr(torch, 'empty_like', lambda *args, **kwargs: empty_like(*args, **kwargs).fill_(1e30))
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], 0.5, momentum=0.9, fused=True)
    guard = FiniteGuard(limit=3, deferred=True)
    update = Update('g', [optimizer], Precision('off', torch.device('cpu')), guard)
    for iteration, factor in enumerate((float('nan'), 1.0)):
        guard.begin()
        step(update, [{'l_sum': factor * weight.sum()}], iteration)
    torch.testing.assert_close(weight.detach(), torch.full((2,), 0.5))
