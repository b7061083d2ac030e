"""The added gradient reaches the generator exactly once, however a base model calls its backward pass."""

from __future__ import annotations

import copy
import gc
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import MODEL_REGISTRY
from contrastive_runs import batch, build, contrastive_options, losses_for
from forked import needs_fork, run_ranks
from torch.nn.parallel import DistributedDataParallel

from cclgan_plugin.errors import OptionError


class Ways(SRModel):
    """Takes the same step as SRModel in other ways, as models of other packages do."""

    way = 'plain'
    factor = 1.0

    def init_training_settings(self) -> None:
        super().init_training_settings()
        self.scaler = torch.amp.GradScaler('cpu', init_scale=self.opt.get('scale_of_loss', 1.0))

    def optimize_parameters(self, current_iter: int) -> None:
        self.optimizer_g.zero_grad(set_to_none=self.way != 'zeros')
        getattr(self, f'_{self.way}')()
        self.log_dict = {}

    def _loss(self, output: Any) -> Any:
        return self.cri_pix(output, self.gt)

    def _plain(self) -> None:
        self.output = self.net_g(self.lq)
        self._loss(self.output).backward()
        self.optimizer_g.step()

    _zeros = _plain

    def _local_name(self) -> None:
        """NAFNet's way: the loss is made of a list that also holds the output."""
        predictions = [self.net_g(self.lq)]
        self.output = predictions[-1]
        sum(self._loss(p) for p in predictions).backward()
        self.optimizer_g.step()

    def _cropped(self) -> None:
        """The output is a view of what the network gave, and is set twice."""
        self.output = self.net_g(torch.nn.functional.pad(self.lq, (0, 4, 0, 4)))
        self.output = self.output[..., :-4, :-4]
        self._loss(self.output).backward()
        self.optimizer_g.step()

    def _unrelated_crop(self) -> None:
        self.output = self.net_g(torch.nn.functional.pad(self.lq, (0, 4, 0, 4)))[..., :-4, :-4]
        self._loss(self.output).backward()
        self.optimizer_g.step()

    def _two_passes(self) -> None:
        """Half of the loss at a time, over one graph."""
        self.output = self.net_g(self.lq)
        loss = 0.5 * self._loss(self.output)
        loss.backward(retain_graph=True)
        loss.backward()
        self.optimizer_g.step()

    def _looks_first(self) -> None:
        """As models with adaptive weights do: gradients are looked at before they are taken."""
        self.output = self.net_g(self.lq)
        loss = self._loss(self.output)
        last = list(self.net_g.parameters())[-1]
        self.seen = [torch.autograd.grad(loss, x, retain_graph=True)[0] for x in (last, self.output)]
        loss.backward()
        self.optimizer_g.step()

    def _detached_after(self) -> None:
        output = self.net_g(self.lq)
        self.output = output
        loss = self._loss(output)
        self.output = self.output.detach()
        loss.backward()
        self.optimizer_g.step()

    def _scaled(self) -> None:
        self.output = self.net_g(self.lq)
        self.scaler.scale(self._loss(self.output) * self.factor).backward()
        self.scaler.step(self.optimizer_g)
        self.scaler.update()

    def _mixed(self) -> None:
        with torch.autocast('cpu', torch.bfloat16):
            self.output = self.net_g(self.lq)
            loss = self._loss(self.output)
        loss.backward()
        self.optimizer_g.step()

    def _halves(self) -> None:
        """Gradient accumulation: one step for two backward passes of one image each."""
        lq, gt = self.lq, self.gt
        for i in range(2):
            self.lq, self.gt = lq[i : i + 1], gt[i : i + 1]
            self.output = self.net_g(self.lq)
            (0.5 * self._loss(self.output)).backward()
        self.optimizer_g.step()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODEL_REGISTRY._obj_map, 'Ways', Ways)


@pytest.fixture
def in_float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def model_of(way: str, **further: Any) -> Any:
    opt = contrastive_options('SRModel', **losses_for('SRModel')) | {'base_model_type': 'Ways'} | further
    opt['network_h'] = {'type': 'LCLHead', 'dim': 8}
    # Plain descent: Adam would hide a gradient that is too large by a factor.
    opt['train'] |= {'optim_g': {'type': 'SGD', 'lr': 0.1}, 'optim_h': {'type': 'SGD', 'lr': 0.1}}
    model = build(copy.deepcopy(opt))
    model.way = way
    return model


def weights_after(model: Any, steps: int = 2) -> dict[str, torch.Tensor]:
    for iteration in range(1, steps + 1):
        data = batch('SRModel', iteration, 32, torch.get_default_dtype())
        model.lq, model.gt = data['lq'], data['gt']
        model.optimize_parameters(iteration)
    nets = {'g': model.net_g, 'h': model.net_h}
    return {f'{n}.{k}': v.detach().clone() for n, net in nets.items() for k, v in net.state_dict().items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-10, atol=1e-13, msg=key)


@pytest.mark.parametrize('way', ['zeros', 'local_name', 'two_passes', 'looks_first', 'detached_after'])
def test_every_way_to_the_same_step_ends_in_the_same_weights(way: str, in_float64: None) -> None:
    assert_same(weights_after(model_of(way)), weights_after(model_of('plain')))


def test_gradients_that_are_only_looked_at_are_the_base_s_own(in_float64: None) -> None:
    model, base = model_of('looks_first'), build(contrastive_options('SRModel') | {'base_model_type': 'Ways'})
    base.way = 'looks_first'
    for one in (model, base):
        data = batch('SRModel', 1, 32, torch.get_default_dtype())
        one.lq, one.gt = data['lq'], data['gt']
        one.optimize_parameters(1)
    for found, expected in zip(model.seen, base.seen, strict=True):
        torch.testing.assert_close(found, expected)


def test_weights_that_are_frozen_may_be_among_the_optimizer_s(in_float64: None) -> None:
    model = model_of('plain')
    next(iter(model.net_g.parameters())).requires_grad_(False)
    before = weights_after(model, 0)
    after = weights_after(model, 1)
    assert model.contrastive.losses.keys() >= {'l_intra_ccl', 'l_lcl'}
    assert torch.equal(before['g.conv_first.weight'], after['g.conv_first.weight'])


def test_a_model_that_has_trained_is_freed() -> None:
    model = model_of('plain')
    weights_after(model, 1)
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert seen() is None


def test_an_output_that_is_set_twice_counts_once(in_float64: None) -> None:
    assert_same(weights_after(model_of('cropped')), weights_after(model_of('unrelated_crop')))


@pytest.mark.parametrize('scale', [1024.0, 2.0**-8])
def test_a_scaled_loss_is_met_by_a_scaled_gradient(scale: float, in_float64: None) -> None:
    scaled = weights_after(model_of('scaled', scale_of_loss=scale))
    assert_same(scaled, weights_after(model_of('plain')))


def test_a_step_that_overflows_is_skipped_by_the_heads_too(in_float64: None) -> None:
    model = model_of('scaled', scale_of_loss=4.0)
    model.factor = float('inf')
    before = weights_after(model, 0)
    assert_same(weights_after(model, 1), before)
    # The next step holds nothing of the one that was skipped.
    model.factor = 1.0
    expected = model_of('plain')
    assert_same(weights_after(model, 1), weights_after(expected, 1))


def test_of_several_scalers_one_is_the_generator_s(in_float64: None) -> None:
    expected = weights_after(model_of('plain'), 1)
    model = model_of('scaled', scale_of_loss=8.0)
    model.scaler_d = torch.amp.GradScaler('cpu', init_scale=2.0)
    assert_same(weights_after(model, 1), expected)
    model = model_of('scaled', scale_of_loss=8.0)
    model.scaler_g, model.scaler_d = model.scaler, torch.amp.GradScaler('cpu', init_scale=2.0)
    del model.scaler
    model._scaled = lambda: _scaled_by(model)
    assert_same(weights_after(model, 1), expected)


def test_a_scaler_may_be_anywhere_and_another_may_scale_meanwhile(in_float64: None) -> None:
    model, scale = model_of('scaled', scale_of_loss=8.0), torch.amp.GradScaler.scale
    scalers = {'d': torch.amp.GradScaler('cpu', init_scale=2.0), 'g': model.scaler}
    del model.scaler

    def step() -> None:
        model.output = model.net_g(model.lq)
        loss = scalers['g'].scale(model._loss(model.output))
        scalers['d'].scale(model.net_g(model.lq).mean())  # of another backward pass, that is still to come
        loss.backward()
        scalers['g'].step(model.optimizer_g)

    model._scaled = step
    assert_same(weights_after(model, 1), weights_after(model_of('plain'), 1))
    assert torch.amp.GradScaler.scale is scale


def test_a_scaler_that_scales_nothing_has_no_say(in_float64: None) -> None:
    assert_same(weights_after(model_of('plain', scale_of_loss=8.0)), weights_after(model_of('plain')))


def test_two_scalers_of_one_loss_cannot_be_followed(in_float64: None) -> None:
    model = model_of('scaled', scale_of_loss=8.0)
    other = torch.amp.GradScaler('cpu', init_scale=2.0)

    def step() -> None:
        model.output = model.net_g(model.lq)
        halves = [scaler.scale(model._loss(model.output)) for scaler in (model.scaler, other)]
        sum(halves).backward()

    model._scaled = step
    with pytest.raises(OptionError, match='2 gradient scalers have scaled parts of one loss'):
        weights_after(model, 1)


def _scaled_by(model: Any) -> None:
    model.output = model.net_g(model.lq)
    model.scaler_g.scale(model._loss(model.output)).backward()
    model.scaler_g.step(model.optimizer_g)


def test_under_autocast_the_losses_run_in_its_precision_and_stay_near() -> None:
    """bfloat16 keeps 8 bits: the same direction, not the same numbers."""
    start = weights_after(model_of('plain'), 0)
    mixed, exact = (weights_after(model_of(way), 1) for way in ('mixed', 'plain'))
    for net in 'gh':
        moves = [
            torch.cat([(end[k] - start[k]).flatten() for k in start if k.startswith(f'{net}.')])
            for end in (mixed, exact)
        ]
        assert all(move.norm() > 0 for move in moves)
        assert torch.nn.functional.cosine_similarity(*moves, dim=0) > 0.95


def test_accumulated_gradients_step_once(in_float64: None) -> None:
    """Each half draws its own locations, so only what needs none can be compared with the whole batch."""
    model = model_of('halves')
    stepped = []
    step = model.optimizer_h.step
    model.optimizer_h.step = lambda: (
        stepped.append([p.grad.norm() for p in model.net_h.parameters()]) or step()
    )
    weights_after(model, 2)
    assert len(stepped) == 2
    opt = contrastive_options('SRModel', intra_ccl=losses_for('SRModel')['intra_ccl'])
    opt |= {'base_model_type': 'Ways'}
    ends = []
    for way, factor in (('plain', 1.0), ('halves', 0.5)):
        changed = copy.deepcopy(opt)
        changed['train']['optim_g'] = {'type': 'SGD', 'lr': 0.1}
        changed['train']['contrastive_opt']['intra_ccl']['loss_weight'] *= factor
        model = build(changed)
        model.way, model.net_h = way, torch.nn.Identity()
        ends.append(weights_after(model, 2))
    assert_same(ends[1], ends[0])


def learn(name: str, unused: bool, alone: bool) -> None:
    """Three iterations, of this process's part of the batch; weights and log go to ``one`` or ``two``."""
    rank, world = (0, 1) if alone else (int(os.environ['RANK']), int(os.environ['WORLD_SIZE']))
    torch.set_default_dtype(torch.float64)
    if not alone:
        dist.init_process_group('gloo')
    opt = contrastive_options(name, **losses_for(name))
    opt['network_h'] = {'type': 'LCLHead', 'dim': 8}
    opt['train'] |= {f'optim_{g}': {'type': 'SGD', 'lr': 0.05} for g in 'gdh'}
    opt['train']['ema_decay'] = 0
    opt |= {'dist': not alone, 'rank': rank, 'world_size': world, 'find_unused_parameters': unused}
    # As BasicSR does it: each rank draws from a seed of its own.
    model = build(opt, seed=rank)
    assert isinstance(model.net_g, DistributedDataParallel) is not alone
    if not alone and unused and name == 'SRModel':
        # Levels are found in the bare module, whatever is around it.
        assert model.contrastive.terms.lcl.encoder.net is model.net_g.module
    for iteration in (1, 2, 3):
        data = batch(name, iteration, 32, torch.float64)
        model.feed_data({key: value.chunk(world)[rank] for key, value in data.items()})
        model.optimize_parameters(iteration)
    if rank == 0:
        nets = {'g': model.get_bare_model(model.net_g), 'h': model.net_h}
        if hasattr(model, 'net_d'):
            nets['d'] = model.get_bare_model(model.net_d)
        weights = {f'{n}.{k}': v for n, net in nets.items() for k, v in net.state_dict().items()}
        torch.save((weights, dict(model.log_dict)), 'one' if alone else 'two')
    if not alone:
        dist.destroy_process_group()


@needs_fork
@pytest.mark.parametrize(('name', 'unused'), [('SRModel', True), ('SRGANModel', False)])
def test_two_processes_learn_what_one_learns_from_both_images(
    name: str, unused: bool, tmp_path: Path
) -> None:
    """Real processes under gloo; gradients of the generator, the heads and the discriminator."""
    run_ranks(learn, 1, name, unused, True, cwd=tmp_path, log='alone')
    run_ranks(learn, 2, name, unused, False, cwd=tmp_path)
    (one, log), (two, logs) = (torch.load(tmp_path / file) for file in ('one', 'two'))
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-9, atol=1e-11, msg=key)
    assert log == pytest.approx(logs, rel=1e-9)
