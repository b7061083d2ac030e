"""A state that was saved in one memory format goes on in another."""

from __future__ import annotations

import copy

import pytest
import torch

from cclgan_plugin.mends.optimizer_by_name import NAMES
from cclgan_plugin.training.optimizer_parameters import align_states, load_moments

FORMATS = {'planes': torch.contiguous_format, 'channels_last': torch.channels_last}


def make(values: torch.Tensor, layout: torch.memory_format) -> tuple[torch.nn.Parameter, torch.optim.Adam]:
    p = torch.nn.Parameter(values.clone(memory_format=layout))
    return p, torch.optim.Adam([p], lr=0.1, fused=True)


@pytest.mark.parametrize('saved', FORMATS)
@pytest.mark.parametrize('resumed', FORMATS)
def test_running_means_follow_their_parameters(saved: str, resumed: str) -> None:
    generator = torch.Generator().manual_seed(0)
    start, first, second = torch.randn(3, 8, 4, 3, 3, generator=generator)
    p, optimizer = make(start, FORMATS[saved])
    p.grad = first.contiguous(memory_format=FORMATS[saved])
    optimizer.step()
    q, other = make(p.detach(), FORMATS[resumed])
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    align_states(other)
    for one, parameter, layout in ((optimizer, p, saved), (other, q, resumed)):
        parameter.grad = second.contiguous(memory_format=FORMATS[layout])
        one.step()
    torch.testing.assert_close(q.detach(), p.detach(), rtol=0, atol=1e-6)
    assert other.state[q]['exp_avg'].stride() == q.stride()
    assert other.state[q]['step'] == 2


def after_a_step(kind: str, **options: object) -> torch.optim.Optimizer:
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = getattr(torch.optim, kind)([p], **{'lr': 0.5, **options})
    p.grad = torch.ones(3)
    optimizer.step()
    return optimizer


def test_the_options_of_now_stay_and_the_learning_rate_is_the_saved_one() -> None:
    saved = copy.deepcopy(after_a_step('Adam').state_dict())
    now = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))], 0.1, (0.5, 0.9), weight_decay=0.2, fused=True)
    load_moments(now, saved)
    (group,) = now.param_groups
    assert (group['lr'], group['betas']) == (0.5, (0.5, 0.9))
    assert (group['weight_decay'], group['fused']) == (0.2, True)
    assert saved['param_groups'][0]['betas'] == (0.9, 0.999)
    (state,) = now.state.values()
    torch.testing.assert_close(state['exp_avg'], torch.full((3,), 0.1))


@pytest.mark.parametrize(
    ('before', 'now', 'options', 'lacks'),
    [
        ('SGD', 'Adam', {}, 'exp_avg, exp_avg_sq, step'),
        ('Adam', 'Adamax', {}, 'exp_inf'),
        ('Adam', 'Adam', {'amsgrad': True}, 'max_exp_avg_sq'),
        ('Adam', 'RMSprop', {}, 'square_avg'),
    ],
)
def test_what_another_optimizer_has_saved_is_refused(
    before: str, now: str, options: dict[str, bool], lacks: str
) -> None:
    saved = after_a_step(before, **({'momentum': 0.9} if before == 'SGD' else {})).state_dict()
    optimizer = getattr(torch.optim, now)([torch.nn.Parameter(torch.ones(3))], lr=0.1, **options)
    with pytest.raises(ValueError, match=f'another optimizer or other options of it, and lacks {lacks}'):
        load_moments(optimizer, saved)


@pytest.mark.parametrize('kind', NAMES)
def test_every_optimizer_goes_on_with_its_own(kind: str) -> None:
    saved = after_a_step(kind).state_dict()
    optimizer = getattr(torch.optim, kind)([torch.nn.Parameter(torch.ones(3))], lr=0.1)
    load_moments(optimizer, saved)
    assert str(optimizer.state_dict()) == str(saved)


def test_a_state_of_no_step_and_one_of_other_groups() -> None:
    p, q = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    load_moments(torch.optim.Adamax([p]), torch.optim.Adam([q]).state_dict())
    with pytest.raises(ValueError, match='different number of parameter groups'):
        load_moments(torch.optim.Adam([{'params': [p]}, {'params': [q]}]), torch.optim.Adam([q]).state_dict())
