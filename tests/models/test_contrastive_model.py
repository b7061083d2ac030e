"""ContrastiveModel: any model of BasicSR that restores single images, as it is, plus the losses."""

from __future__ import annotations

import copy
import logging
import re
from itertools import pairwise
from typing import Any

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import ARCH_REGISTRY, MODEL_REGISTRY
from contrastive_runs import (
    GANS,
    HIFACE_D,
    MODELS,
    VGG,
    batch,
    build,
    contrastive_options,
    losses_for,
    plain_options,
    train,
    weights,
)

from cclgan_plugin.errors import OptionError, TrainingError, WeightsError
from cclgan_plugin.models import ContrastiveModel
from cclgan_plugin.models.contrastive_dry_runs import training_images

LOGS = {'intra_ccl': 'l_intra_ccl', 'inter_ccl': 'l_inter_ccl', 'lcl': 'l_lcl'}


@pytest.mark.parametrize('name', MODELS)
def test_three_steps_train_every_network_and_log_every_loss(name: str) -> None:
    losses = losses_for(name)
    model = build(contrastive_options(name, **losses))
    assert isinstance(model, ContrastiveModel)
    assert isinstance(model, MODEL_REGISTRY.get(name))
    before = weights(model)
    train(model, name)
    logged = {'l_g_gan', 'l_d_real', 'l_d_fake'} if name in GANS else {'l_pix'}
    assert {*logged, *(LOGS[loss] for loss in losses)} <= set(model.get_current_log())
    after = weights(model)
    for network in {key.partition('.')[0] for key in before}:
        assert any(not torch.equal(before[k], after[k]) for k in before if k.startswith(f'{network}.')), (
            network
        )
    assert all(torch.isfinite(value).all() for value in after.values())
    # The heads follow the scheduler of the others.
    assert len(model.schedulers) == len(model.optimizers) == 1 + (name in GANS) + (model.net_h is not None)
    assert [group['lr'] for o in model.optimizers for group in o.param_groups] == [5e-4] * len(
        model.optimizers
    )


@pytest.mark.parametrize('name', MODELS)
def test_losses_of_weight_0_leave_every_bit_of_the_base_model(name: str) -> None:
    plain, added = build(plain_options(name)), build(contrastive_options(name, **losses_for(name, 0.0)))
    for model in (plain, added):
        train(model, name)
    expected, found = weights(plain), weights(added)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert plain.get_current_log() == added.get_current_log()
    assert len(added.optimizers) == len(plain.optimizers)


@pytest.mark.parametrize('name', ['SRModel', 'SRGANModel'])
def test_a_resumed_run_ends_in_the_same_bits(name: str, tmp_path: Any) -> None:
    opt = contrastive_options(name, tmp_path, **losses_for(name))
    opt['train']['ema_decay'] = 0  # BasicSR reads it anew from params_ema, as a plain run does
    opt['network_h'] = {'type': 'LCLHead', 'dim': 8}
    whole = build(copy.deepcopy(opt))
    train(whole, name, 4)
    first = build(copy.deepcopy(opt))
    train(first, name, 2)
    first.save(0, 2)
    assert (tmp_path / 'net_h_2.pth').is_file()
    state = torch.load(tmp_path / '2.state', weights_only=True)
    opt['path'] |= {'resume_state': str(tmp_path / '2.state')}
    opt['path'] |= {
        f'pretrain_network_{n}': str(tmp_path / f'net_{n}_2.pth') for n in 'gd' if n == 'g' or name in GANS
    }
    second = build(opt, seed=5)
    second.resume_training(state)
    train(second, name, 2, first=3)
    expected, found = weights(whole), weights(second)
    assert expected.keys() == found.keys()
    assert any(key.startswith('net_h') for key in expected)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    (tmp_path / 'net_h_2.pth').unlink()
    with pytest.raises((WeightsError, FileNotFoundError), match='net_h_2'):
        build(opt)


def test_iterations_without_a_generator_step_compute_and_log_nothing() -> None:
    """``net_d_iters`` and ``net_d_init_iters``."""
    opt = contrastive_options('SRGANModel', **losses_for('SRGANModel'))
    opt['train'] |= {'net_d_iters': 2, 'net_d_init_iters': 2}
    opt['network_h'] = {'type': 'LCLHead', 'dim': 8}
    model = build(opt)
    seen = []
    compute = model.contrastive.terms.losses
    model.contrastive.terms.losses = lambda *args: seen.append(model.contrastive._iteration) or compute(*args)
    logged, heads = [], [weights(model)]
    for iteration in range(1, 7):
        train(model, 'SRGANModel', 1, iteration)
        logged.append('l_lcl' in model.get_current_log())
        heads.append(weights(model))
    assert seen == [4, 6]
    assert logged == [False, False, False, True, False, True]
    key = next(key for key in heads[0] if key.startswith('net_h'))
    changed = [not torch.equal(a[key], b[key]) for a, b in pairwise(heads)]
    assert changed == logged


def test_the_discriminator_notices_nothing() -> None:
    """Its gradient in the first step, its statistics and power iterations are the plain model's."""
    for name in ('SRGANModel', 'ESRGANModel'):
        losses = {'inter_ccl': losses_for(name, 50.0)['inter_ccl']}
        models = [build(plain_options(name)), build(contrastive_options(name, **losses))]
        for model in models:
            train(model, name, 1)
        plain, added = models
        assert weights(plain)['net_g.conv_first.weight'].ne(weights(added)['net_g.conv_first.weight']).any()
        for key, value in plain.net_d.state_dict().items():
            assert torch.equal(value, added.net_d.state_dict()[key]), key
        for a, b in zip(plain.net_d.parameters(), added.net_d.parameters(), strict=True):
            assert torch.equal(a.grad, b.grad)


def test_the_generator_runs_once_and_encodes_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are taken from the base's own forward pass; queries stop at the deepest level."""
    runs: dict[str, int] = {}
    for part in ('conv_first', 'body', 'conv_last'):
        runs[part] = 0
    model = build(contrastive_options('SRModel', lcl=losses_for('SRModel')['lcl']))
    for part in runs:
        module = getattr(model.net_g, part)
        module.register_forward_pre_hook(lambda m, x, part=part: runs.__setitem__(part, runs[part] + 1))
    train(model, 'SRModel', 1)
    assert runs == {'conv_first': 2, 'body': 2, 'conv_last': 1}
    assert not model.net_g._forward_hooks
    assert not model.net_g._forward_pre_hooks


@pytest.mark.parametrize('encoder', ['net_g', 'frozen'])
def test_the_frozen_encoders_and_the_heads_stay_out_of_the_generator_s_checkpoint(encoder: str) -> None:
    losses = losses_for('SRModel')
    if encoder == 'frozen':
        losses['lcl'] = {'type': 'LCLLoss', 'encoder': VGG, 'num_patches': 8}
    model = build(contrastive_options('SRModel', **losses))
    assert model.net_g.state_dict().keys() == build(plain_options('SRModel')).net_g.state_dict().keys()
    assert (model.net_h is None) == (encoder == 'frozen')


def test_a_model_in_a_test_is_the_base_model() -> None:
    opt = contrastive_options('SRModel') | {'is_train': False}
    model = build(opt)
    assert isinstance(model, SRModel)
    model.feed_data(batch('SRModel', 1))
    model.test()
    assert model.output.shape == (2, 3, *model.lq.shape[2:])


def test_images_that_the_dataset_normalised_are_judged_as_others() -> None:
    """The networks see what mean and std make of images; the encoders see [0, 1]."""
    losses = losses_for('SRGANModel')
    opt = contrastive_options('SRGANModel', **losses)
    plain = build(copy.deepcopy(opt)).contrastive.terms
    opt['datasets']['train'] |= {'mean': [0.5, 0.4, 0.3], 'std': [0.5, 0.25, 0.2]}
    terms = build(opt).contrastive.terms
    data = batch('SRGANModel', 1, 32)
    output = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(opt['datasets']['train'][key]).view(3, 1, 1) for key in ('mean', 'std'))
    normal = [(x - mean) / std for x in (output, data['gt'], data['lq'])]
    expected = plain.losses(output, data['gt'], data['lq'], (1, 1))
    found = terms.losses(*normal, (1, 1))
    for loss in ('l_intra_ccl', 'l_lcl'):
        torch.testing.assert_close(found[loss], expected[loss], rtol=1e-4, atol=1e-5)
    seen = []
    terms.inter.levels.net.conv1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    terms.losses(*normal, (1, 1))
    size = {'size': (32, 32), 'mode': 'bicubic', 'align_corners': False}
    enlarged = torch.nn.functional.interpolate(data['lq'], **size).clamp(0, 1)
    assert len(seen) == 3
    # CCLGANDiscriminator itself maps its input from [0, 1] to [-1, 1].
    torch.testing.assert_close(seen[-1], 2 * (enlarged - mean) / std - 1, rtol=1e-4, atol=1e-5)


LCL = {'type': 'LCLLoss', 'encoder': 'net_g', 'layers': ['body.1']}
INTER = {'type': 'InterCCLLoss', 'layers': ['conv1']}
IMPOSSIBLE = [
    ('SRModel', {'inter_ccl': INTER}, r'train\.contrastive_opt\.inter_ccl: .*SRModel has no net_d'),
    (
        'ESRGANModel',
        {'inter_ccl': {**INTER, 'layers': ['conv11']}},
        r'inter_ccl\.layers: .*no feature level "conv11"\. Did you mean "conv1"\? It has: .*conv0, conv1',
    ),
    (
        'SRModel',
        {'lcl': {**LCL, 'layers': ['bdoy.1']}},
        r'lcl\.layers: net_g \(RRDBNet\) has no feature level "bdoy\.1"\. .*"body\.1"\?.*conv_first',
    ),
    ('SRGANModel', {'lcl': LCL}, r'lcl\.encoder: net_g makes 32 x 32 of 8 x 8 pixels.*frozen encoder'),
    ('HiFaceGANModel', {'inter_ccl': INTER}, r'inter_ccl: net_d \(HiFaceGANDiscriminator\) does not run on'),
    ('SRModel', {'lcl': {**LCL, 'encoder': 'net_d'}}, r"lcl\.encoder: expected net_g or .*got 'net_d'"),
    (
        'SRModel',
        {'lcl': {**LCL, 'encoder': VGG, 'layers': ['relu9']}},
        r'lcl\.layers: .*not the layers of the encoder',
    ),
    (
        'SRModel',
        {'lcl': {'type': 'LCLLoss', 'encoder': {**VGG, 'weight': 2.0}}},
        r'lcl\.encoder: LCL takes the mean .* reads no weight',
    ),
    ('SRModel', {'lcl': INTER}, r'lcl\.type: expected LCLLoss'),
    ('SRModel', {'lcl': {**LCL, 'temprature': 1}}, r'contrastive_opt\.lcl: .*temprature'),
    ('SRModel', {'lcll': LCL}, r'unknown loss "lcll"\. Did you mean "lcl"\?'),
]


@pytest.mark.parametrize(('name', 'losses', 'message'), IMPOSSIBLE)
def test_what_cannot_be_is_refused_when_the_model_is_built(name: str, losses: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(contrastive_options(name, **losses))


@pytest.mark.parametrize(
    ('base', 'message'),
    [
        ('SRGANmodel', 'there is no model "SRGANmodel". Did you mean "SRGANModel"?'),
        ('ContrastiveModel', 'cannot be its own base'),
        ('CCLGANModel', 'has these losses already'),
        ('EDVRModel', 'restores videos'),
        ('VideoGANModel', 'restores videos'),
        ('StyleGAN2Model', 'makes images of noise'),
        (None, 'this key is missing'),
    ],
)
def test_bases_that_restore_no_single_images_are_refused(base: str | None, message: str) -> None:
    opt = contrastive_options('SRModel', **losses_for('SRModel')) | {'base_model_type': base}
    with pytest.raises(OptionError) as raised:
        build(opt)
    assert str(raised.value).startswith('base_model_type: ')
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ('of', 'message'), [('ContrastiveModel', 'cannot be its own base'), ('CCLGANModel', 'has these losses')]
)
def test_bases_derived_from_ours_are_refused_too(
    of: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODEL_REGISTRY._obj_map, 'Derived', type('Derived', (MODEL_REGISTRY.get(of),), {}))
    opt = contrastive_options('SRModel', **losses_for('SRModel')) | {'base_model_type': 'Derived'}
    with pytest.raises(OptionError, match=f'^base_model_type: Derived {message}'):
        build(opt)


def register(monkeypatch: pytest.MonkeyPatch, net: type) -> None:
    monkeypatch.setitem(ARCH_REGISTRY._obj_map, net.__name__, net)


class Squeezes(torch.nn.Module):
    """Weighs its channels by their averages, as many networks do; as many channels out as in."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, 8, 3, padding=1)
        self.pool = torch.nn.AdaptiveAvgPool2d(1)
        self.last = torch.nn.Conv2d(8, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return self.last(y * self.pool(y))


def test_a_level_of_a_single_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """LCL would be 0 there, always and without a word."""
    register(monkeypatch, Squeezes)
    opt = contrastive_options('SRModel', lcl={**LCL, 'layers': ['conv', 'pool']})
    opt['network_g'] = {'type': 'Squeezes'}
    with pytest.raises(OptionError, match=r'lcl\.layers: "pool" of net_g \(Squeezes\) has a single place'):
        build(opt)


def test_a_level_list_that_is_left_open_is_the_encoder_s() -> None:
    """``layers: ~`` is documented as the default."""
    model = build(contrastive_options('SRModel', lcl={'type': 'LCLLoss', 'encoder': VGG, 'layers': None}))
    assert list(model.contrastive.terms.lcl.loss.layers) == VGG['layers']


def test_a_model_of_ones_own_may_derive_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(ContrastiveModel):
        mine = True

    monkeypatch.setitem(MODEL_REGISTRY._obj_map, 'Mine', Mine)
    opt = contrastive_options('SRModel', **losses_for('SRModel')) | {'model_type': 'Mine'}
    model = build(opt)
    assert isinstance(model, Mine)
    assert isinstance(model, SRModel)
    train(model, 'SRModel', 1)
    assert 'l_lcl' in model.get_current_log()


def test_other_names_of_channels_and_sizes_are_understood() -> None:
    grey = {'network_g': {'in_chans': 1}, 'datasets': {'train': {'out_size': 48}}, 'scale': 2}
    assert training_images(grey, 'lq', torch.device('cpu')).shape == (2, 1, 24, 24)
    face = {'network_d': {'input_size': 64}}
    assert training_images(face, 'gt', torch.device('cpu')).shape == (2, 3, 64, 64)


def test_a_crop_may_be_a_pair_of_sides() -> None:
    opt = {'datasets': {'train': {'gt_size': [32, 48]}}, 'scale': 2}
    assert training_images(opt, 'lq', torch.device('cpu')).shape == (2, 3, 16, 24)
    for size in ([32], [32, 48, 3], ['a', 'b']):
        opt['datasets']['train']['gt_size'] = size
        with pytest.raises(OptionError, match=r'^datasets\.train\.gt_size: expected .* \[height, width\]'):
            training_images(opt, 'lq', torch.device('cpu'))


@pytest.mark.parametrize('channels', [1, 4])
@pytest.mark.parametrize('loss', ['intra_ccl', 'lcl'])
def test_a_frozen_encoder_of_an_output_without_colours_is_refused(
    loss: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network takes as many channels as it gives, and its options call them by a name of its own."""
    register(monkeypatch, Squeezes)
    kind = {'intra_ccl': 'IntraCCLLoss', 'lcl': 'LCLLoss'}[loss]
    opt = contrastive_options('SRModel', **{loss: {'type': kind, 'encoder': VGG}})
    opt['network_g'] = {'type': 'Squeezes', 'channels': channels}
    message = rf'^train\.contrastive_opt\.{loss}\.encoder: .*3 channels, and net_g .* makes {channels}$'
    with pytest.raises(OptionError, match=message):
        build(opt)


@pytest.mark.parametrize(('dtype', 'channels'), [(torch.float64, 3), (torch.bfloat16, 3), (torch.float32, 4)])
def test_the_generator_encodes_in_its_own_precision_and_channels(
    dtype: torch.dtype, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wholly(SRModel):
        def init_training_settings(self) -> None:
            self.net_g.to(dtype)
            super().init_training_settings()

    register(monkeypatch, Squeezes)
    monkeypatch.setitem(MODEL_REGISTRY._obj_map, 'Wholly', Wholly)
    opt = contrastive_options('SRModel', lcl={**LCL, 'layers': ['conv'], 'num_patches': 8})
    opt |= {'base_model_type': 'Wholly', 'network_g': {'type': 'Squeezes', 'channels': channels}}
    opt['train']['ema_decay'] = 0
    model = build(opt)
    data = torch.rand(2, 2, channels, 16, 16).to(dtype)
    model.feed_data({'lq': data[0], 'gt': data[1]})
    model.optimize_parameters(1)
    assert model.get_current_log()['l_lcl'] > 0


class Identity(torch.nn.Module):
    """Begins as the identity, as residual networks with a last layer of zeros do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 3, padding=1)
        torch.nn.init.zeros_(self.last.weight)
        torch.nn.init.zeros_(self.last.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.last(torch.relu(self.first(x)))


@pytest.mark.parametrize('loss', ['intra_ccl', 'inter_ccl'])
def test_a_ratio_without_measure_is_warned_of_once_and_the_advice_tames_it(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, Identity)
    base = 'ESRGANModel' if loss == 'inter_ccl' else 'SRModel'
    opt = contrastive_options(base, **{loss: losses_for(base)[loss]}) | {'scale': 1}
    opt['network_g'] = {'type': 'Identity'}
    said: list[str] = []
    monkeypatch.setattr(logging.getLogger('basicsr'), 'warning', lambda text, *args: said.append(text % args))

    def first_steps(eps: float | None) -> tuple[float, list[str]]:
        """The first gradient of the last layer, and what was warned of in two steps."""
        said.clear()
        if eps is not None:
            opt['train']['contrastive_opt'][loss]['eps'] = eps
        model, grads = build(copy.deepcopy(opt)), []
        for step in (1, 2):
            data = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(step))
            model.feed_data({'lq': data[0], 'gt': data[1]})
            model.optimize_parameters(step)
            grads.append(float(model.net_g.last.weight.grad.abs().max()))
        return grads[0], [text for text in said if '.eps' in text]

    wild, warned = first_steps(None)
    assert len(warned) == 1
    advice = re.search(rf'Set train\.contrastive_opt\.{loss}\.eps: ([\d.e+-]+) or more', warned[0])
    tame, warned = first_steps(float(advice.group(1)))
    assert not warned
    assert tame < 1e-3 * wild
    assert tame < 10


class Elsewhere(SRModel):
    """Trains its generator without ever saying what its output is."""

    def optimize_parameters(self, current_iter: int) -> None:
        self.optimizer_g.zero_grad()
        self.cri_pix(self.net_g(self.lq), self.gt).backward()
        self.optimizer_g.step()
        self.log_dict = {}


class InPlace(SRModel):
    """Clamps its output after it has shown it."""

    def optimize_parameters(self, current_iter: int) -> None:
        self.optimizer_g.zero_grad()
        self.output = self.net_g(self.lq)
        self.output.clamp_(0, 1)
        self.cri_pix(self.output, self.gt).backward()


@pytest.mark.parametrize(('base', 'message'), [(Elsewhere, 'not through self.output'), (InPlace, 'in place')])
def test_a_model_that_passes_the_losses_by_is_stopped(
    base: type, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is silently left unlearned."""
    monkeypatch.setitem(MODEL_REGISTRY._obj_map, 'Strange', base)
    opt = contrastive_options('SRModel', **losses_for('SRModel')) | {'base_model_type': 'Strange'}
    with pytest.raises(TrainingError, match=message):
        train(build(opt), 'SRModel', 1)


def test_the_network_of_the_tests_has_what_their_options_name() -> None:
    """The tests above would otherwise prove less than they say."""
    assert hasattr(RRDBNet(3, 3, scale=1, num_feat=4, num_block=2, num_grow_ch=4).body, '1')
    assert HIFACE_D['conditional_d']
