"""The linear decay of the method, by iterations, by epochs, and after a resume."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cclgan_plugin.errors import OptionError
from cclgan_plugin.training.schedulers import LinearDecayLR


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=2.0)


def test_factor_is_the_methods_formula_in_every_epoch() -> None:
    iters = 3
    scheduler = LinearDecayLR(optimizer(), 200 * iters, 400 * iters, iters_per_epoch=iters)
    for iteration in range(400 * iters):
        epoch = iteration // iters
        assert scheduler.factor(iteration) == pytest.approx(1 - max(0, epoch + 1 - 200) / 201, abs=1e-12)


def test_learning_rate_falls_in_every_iteration_by_default() -> None:
    one = optimizer()
    scheduler = LinearDecayLR(one, decay_start=2, decay_end=5)
    rates = []
    for _ in range(8):
        rates.append(one.param_groups[0]['lr'])
        one.step()
        scheduler.step()
    assert rates == pytest.approx([2, 2, 1.5, 1, 0.5, 0, 0, 0])


def test_factor_is_never_negative_and_never_rises() -> None:
    scheduler = LinearDecayLR(optimizer(), 10, 25, iters_per_epoch=4)
    factors = [scheduler.factor(iteration) for iteration in range(60)]
    assert min(factors) == 0
    assert max(factors) == 1
    assert factors == sorted(factors, reverse=True)


def test_a_resumed_schedule_goes_on_where_it_stood_with_the_options_of_now() -> None:
    first = LinearDecayLR(optimizer(), 2, 6)
    for _ in range(4):
        first.optimizer.step()
        first.step()
    second = LinearDecayLR(optimizer(), 2, 6)
    second.load_state_dict(first.state_dict())
    assert second.get_lr() == first.get_lr()
    longer = LinearDecayLR(optimizer(), 8, 16)
    longer.load_state_dict(first.state_dict())
    assert longer.last_epoch == 4
    assert longer.get_lr() == [2.0]


def test_state_is_plain_data(tmp_path: object) -> None:
    state = LinearDecayLR(optimizer(), 2, 6).state_dict()
    torch.save(state, f'{tmp_path}/a.state')
    assert torch.load(f'{tmp_path}/a.state', weights_only=True) == state


@pytest.mark.parametrize(('start', 'end', 'iters'), [(5, 5, 1), (6, 5, 1), (-1, 5, 1), (1, 5, 0)])
def test_contradictory_numbers_are_refused(start: int, end: int, iters: int) -> None:
    with pytest.raises(OptionError, match='LinearDecayLR'):
        LinearDecayLR(optimizer(), start, end, iters)
