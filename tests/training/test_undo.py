"""A step taken back leaves nothing behind: weights, running means and all."""

from __future__ import annotations

import pytest
import torch

from cclgan_plugin.training.undo import Undo


def optimizer_and_weights(kind: str) -> tuple[torch.optim.Optimizer, torch.nn.Parameter]:
    p = torch.nn.Parameter(torch.arange(4.0))
    more = {'momentum': 0.9} if kind == 'SGD' else {}
    return getattr(torch.optim, kind)([p], lr=0.1, **more), p


def step(optimizer: torch.optim.Optimizer, p: torch.nn.Parameter, scale: float) -> None:
    p.grad = scale * (p.detach() - 1)
    optimizer.step()


@pytest.mark.parametrize('kind', ['Adam', 'AdamW', 'SGD', 'Adagrad'])
@pytest.mark.parametrize('before', [0, 2])
@pytest.mark.parametrize('on_device', [False, True])
def test_the_run_goes_on_as_if_the_step_had_not_been(kind: str, before: int, on_device: bool) -> None:
    results = []
    for bad in (False, True):
        optimizer, p = optimizer_and_weights(kind)
        undo = Undo(optimizer)
        for _ in range(before):
            undo.remember()
            step(optimizer, p, 1.0)
        if bad:
            undo.remember()
            step(optimizer, p, 100.0)
            undo.restore(torch.tensor(True) if on_device else None)
        for _ in range(2):
            undo.remember()
            step(optimizer, p, 1.0)
            undo.restore(torch.tensor(False))
        results.append(p.detach().clone())
    assert torch.equal(*results)


@pytest.mark.parametrize('on_device', [False, True])
def test_weights_that_the_step_made_infinite_come_back(on_device: bool) -> None:
    optimizer, p = optimizer_and_weights('SGD')
    undo = Undo(optimizer)
    undo.remember()
    step(optimizer, p, float('inf'))
    assert not torch.isfinite(p).all()
    undo.restore(torch.tensor(True) if on_device else None)
    assert torch.equal(p.detach(), torch.arange(4.0))
