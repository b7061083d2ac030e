"""Optimizers and schedulers by name, for every BasicSR model and for as long as one likes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from basicsr.models import build_model
from basicsr.models.base_model import BaseModel
from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, MultiStepRestartLR
from torch import nn

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import optimizer_by_name, scheduler_by_name, warm_up
from cclgan_plugin.training.schedulers import SCHEDULERS, LinearDecayLR

MakeOpt = Callable[..., dict[str, Any]]


def scheduler_opt(make_opt: MakeOpt, **scheduler: Any) -> dict[str, Any]:
    return make_opt(scheduler=scheduler)


def test_our_schedulers_are_found_by_name(make_opt: MakeOpt) -> None:
    opt = scheduler_opt(make_opt, type='LinearDecayLR', decay_start=1, decay_end=3)
    model = build_model(opt)
    assert [type(scheduler) for scheduler in model.schedulers] == [LinearDecayLR]
    rates = []
    for iteration in range(1, 5):
        model.update_learning_rate(iteration)
        rates += model.get_current_learning_rate()
        model.optimizer_g.step()
    assert rates == pytest.approx([1e-3, 1e-3 * 2 / 3, 1e-3 / 3, 0])


@pytest.mark.parametrize(
    ('scheduler', 'kind'),
    [
        ({'type': 'MultiStepLR', 'milestones': [2]}, MultiStepRestartLR),
        ({'type': 'MultiStepRestartLR', 'milestones': [2]}, MultiStepRestartLR),
        ({'type': 'CosineAnnealingRestartLR', 'periods': [2]}, CosineAnnealingRestartLR),
    ],
)
def test_basicsrs_schedulers_keep_their_names(
    make_opt: MakeOpt, scheduler: dict[str, Any], kind: type
) -> None:
    model = build_model(scheduler_opt(make_opt, **scheduler))
    assert [type(one) for one in model.schedulers] == [kind]


def test_options_stay_as_they_are(make_opt: MakeOpt) -> None:
    model = BaseModel.__new__(BaseModel)
    model.opt = make_opt()
    model.optimizers, model.schedulers = [torch.optim.SGD(nn.Linear(1, 1).parameters(), 1.0)], []
    model.setup_schedulers()
    assert model.opt['train']['scheduler']['type'] == 'MultiStepLR'
    BaseModel.setup_schedulers.unmended(model)
    assert 'type' not in model.opt['train']['scheduler']


def test_an_unknown_scheduler_ends_with_a_hint(make_opt: MakeOpt) -> None:
    with pytest.raises(
        OptionError, match=r'no scheduler "LinearDecay"\. Did you mean "LinearDecayLR"\?.*MultiStepLR'
    ):
        build_model(scheduler_opt(make_opt, type='LinearDecay'))
    with pytest.raises(OptionError, match=r"LinearDecayLR does not take these options.*'gamma'"):
        build_model(scheduler_opt(make_opt, type='LinearDecayLR', decay_start=1, decay_end=3, gamma=1))
    with pytest.raises(
        OptionError, match='CosineAnnealingRestartLR does not take these options: periods and'
    ):
        build_model(
            scheduler_opt(make_opt, type='CosineAnnealingRestartLR', periods=[1], restart_weights=[1, 2])
        )


def test_a_scheduler_can_be_added(make_opt: MakeOpt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCHEDULERS, 'StepLR', torch.optim.lr_scheduler.StepLR)
    assert 'StepLR' in scheduler_by_name.known_schedulers()
    model = build_model(scheduler_opt(make_opt, type='StepLR', step_size=2))
    assert type(model.schedulers[0]) is torch.optim.lr_scheduler.StepLR


def rates_with_warm_up(model: BaseModel) -> list[float]:
    rates = []
    for iteration in range(1, 7):
        model.update_learning_rate(iteration, warmup_iter=3)
        rates += model.get_current_learning_rate()
        model.optimizer_g.step()
    return rates


def test_the_full_rate_is_reached_after_a_warm_up(make_opt: MakeOpt, monkeypatch: pytest.MonkeyPatch) -> None:
    opt = scheduler_opt(make_opt, type='MultiStepLR', milestones=[5], gamma=0.1)
    expected = [1e-3 / 3, 1e-3 * 2 / 3, 1e-3, 1e-3, 1e-3, 1e-4]
    assert rates_with_warm_up(build_model(opt)) == pytest.approx(expected)
    monkeypatch.setattr(BaseModel, 'update_learning_rate', warm_up.update_learning_rate.unmended)
    assert rates_with_warm_up(build_model(opt))[2] == pytest.approx(1e-3 * 2 / 3)


@pytest.mark.parametrize(
    ('before', 'now', 'rate'),
    [
        ({'type': 'CosineAnnealingRestartLR', 'periods': [4]}, {'periods': [8]}, 1e-3 * 0.5),
        ({'type': 'MultiStepLR', 'milestones': [9], 'gamma': 0.1}, {'milestones': [4]}, 1e-4),
    ],
)
def test_a_resumed_run_follows_the_schedule_of_now(
    make_opt: MakeOpt, before: dict[str, Any], now: dict[str, Any], rate: float
) -> None:
    model = build_model(scheduler_opt(make_opt, **before))
    for iteration in range(1, 5):
        model.update_learning_rate(iteration)
        model.optimizer_g.step()
    state = {
        'optimizers': [one.state_dict() for one in model.optimizers],
        'schedulers': [one.state_dict() for one in model.schedulers],
    }
    for resume, expected in ((BaseModel.resume_training, rate), (BaseModel.resume_training.unmended, None)):
        resumed = build_model(scheduler_opt(make_opt, **{**before, **now}))
        resume(resumed, copy.deepcopy(state))
        resumed.update_learning_rate(5)
        (found,) = resumed.get_current_learning_rate()
        assert (found == pytest.approx(rate)) is (expected is not None)


def test_cosine_goes_on_beyond_its_periods_at_the_lowest_rate() -> None:
    def rates(get_lr: Callable[[Any], list[float]] | None = None) -> list[float]:
        optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), 1.0)
        scheduler = CosineAnnealingRestartLR(optimizer, periods=[2, 2], restart_weights=[1, 0.5], eta_min=0.1)
        if get_lr is not None:
            scheduler.get_lr = lambda: get_lr(scheduler)
        found = []
        for _ in range(7):
            found.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            scheduler.step()
        return found

    found = rates()
    assert found[0] == 1.0
    assert found[4:] == pytest.approx([0.1, 0.1, 0.1])
    with pytest.raises(TypeError, match='list indices must be integers or slices, not NoneType'):
        rates(CosineAnnealingRestartLR.get_lr.unmended)


def test_torchs_optimizers_are_found_by_name(make_opt: MakeOpt) -> None:
    for name in optimizer_by_name.NAMES:
        model = build_model(make_opt(optim_g={'type': name, 'lr': 1e-3}))
        assert type(model.optimizer_g) is getattr(torch.optim, name)
    with pytest.raises(NotImplementedError, match='AdamW is not supperted'):
        BaseModel.get_optimizer.unmended(None, 'AdamW', [torch.zeros(1)], 1e-3)


@pytest.mark.parametrize('name', ['Adam', 'RMSprop'])
def test_without_a_learning_rate_torchs_own_counts(make_opt: MakeOpt, name: str) -> None:
    model = build_model(make_opt(optim_g={'type': name}))
    default = getattr(torch.optim, name)([torch.zeros(1)]).param_groups[0]['lr']
    assert [group['lr'] for group in model.optimizer_g.param_groups] == [default]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'lr'"):
        BaseModel.get_optimizer.unmended(None, 'Adam', [torch.zeros(1)])


def test_an_unknown_optimizer_ends_with_a_hint(make_opt: MakeOpt) -> None:
    with pytest.raises(OptionError, match=r'no optimizer "AdmaW"\. Did you mean "AdamW"\?'):
        build_model(make_opt(optim_g={'type': 'AdmaW', 'lr': 1e-3}))
    with pytest.raises(OptionError, match=r"Adam does not take these options.*'momentum'"):
        build_model(make_opt(optim_g={'type': 'Adam', 'lr': 1e-3, 'momentum': 0.9}))


def test_options_that_contradict_each_other_are_told(make_opt: MakeOpt) -> None:
    """Which torch does by a RuntimeError, where most are ValueErrors."""
    with pytest.raises(OptionError, match=r'AdamW does not take these options: .fused. and .foreach. cannot'):
        build_model(make_opt(optim_g={'type': 'AdamW', 'lr': 1e-3, 'fused': True, 'foreach': True}))
