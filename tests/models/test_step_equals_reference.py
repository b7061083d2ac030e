"""The fast step is the method: equal in float64 to a slow step that repeats every piece of work.

Losses agree to 1e-12 and every gradient of every trained tensor to 1e-10, over several steps with the
optimizers, for every option of every loss, for batches of 1, 2 and 3 images, and in every mode that does not
change the precision.
"""

import pytest
import torch
from basicsr.losses import build_loss
from reference import reference_training
from reference.samples import BLOCKS, DIM, WIDTH, TinyEncoder, image, make_nets

from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator, LCLHead
from cclgan_plugin.losses import intra_ccl_loss
from cclgan_plugin.models.step import CCLGANStep, Criteria
from cclgan_plugin.models.step_modes import StepModes

LCL = {'loss_weight': 2.0, 'temperature': 0.07, 'num_patches': 9, 'terms': ['translation', 'reconstruction']}
INTRA = {'loss_weight': 1.0, 'anchors': ['reconstruction']}
INTER = {'loss_weight': 0.005, 'num_patches': 6, 'layers': ['image', 'conv2', 'conv3']}
ARCH = {'norm': 'instance', 'anti_alias': True, 'residual': False}

CASES = {
    'paper': {},
    'batch negatives': {'lcl_opt': {**LCL, 'negatives': 'batch', 'temperature': 0.2}},
    'encoders of the release': {'lcl_opt': {**LCL, 'cycle_encoders': 'release'}},
    'all terms, two levels': {
        'lcl_opt': {
            **LCL,
            'terms': ['identity', 'translation', 'reconstruction'],
            'layers': ['down2', 'block1'],
        }
    },
    'translation anchors': {'intra_ccl_opt': {**INTRA, 'anchors': ['translation']}},
    'both anchors': {
        'intra_ccl_opt': {
            **INTRA,
            'anchors': ['translation', 'reconstruction'],
            'translation_weight': 0.3,
            'eps': 1e-4,
        }
    },
    'fixed projection': {'inter_ccl_opt': {**INTER, 'projection': 'fixed'}},
    'mean pooling': {'inter_ccl_opt': {**INTER, 'pooling': 'mean', 'pair_weight': 0.5, 'eps': 1e-3}},
    'one inter level': {'inter_ccl_opt': {**INTER, 'layers': ['conv2']}},
    'residual generator without norm': {'network_g': {**ARCH, 'residual': True, 'norm': 'none'}},
    'generator with skips': {'network_g': {**ARCH, 'skips': True}},
    'no anti-aliasing': {'network_g': {**ARCH, 'anti_alias': False}},
    'strided discriminators': {'network_d': {'anti_alias': False}},
    'strided discriminators, one inter level': {
        'network_d': {'anti_alias': False},
        'inter_ccl_opt': {**INTER, 'layers': ['conv2']},
    },
    'CycleGAN': {
        'network_g': {**ARCH, 'anti_alias': False},
        'network_d': {'anti_alias': False},
        'gan_opt': {'gan_type': 'lsgan', 'loss_weight': 1.0},
        'cycle_opt': {'loss_weight': 10.0},
        'idt_opt': {'loss_weight': 5.0},
        'lcl_opt': None,
        'intra_ccl_opt': None,
        'inter_ccl_opt': None,
    },
    'DCLGAN-like': {
        'lcl_opt': {**LCL, 'terms': ['translation']},
        'intra_ccl_opt': None,
        'inter_ccl_opt': None,
    },
    'CUT-like': {
        'one_sided': True,
        'lcl_opt': {**LCL, 'terms': ['translation', 'identity']},
        'idt_opt': None,
        'intra_ccl_opt': None,
        'inter_ccl_opt': None,
    },
    'fewer generator steps': {'net_d_iters': 2, 'net_d_init_iters': 1},
}


def make_options(case):
    options = {
        'optim_g': {'type': 'Adam', 'lr': 2.0e-4, 'betas': [0.5, 0.999]},
        'optim_d': {'type': 'Adam', 'lr': 2.0e-4, 'betas': [0.5, 0.999]},
        'optim_h': {'type': 'Adam', 'lr': 1.0e-3},
        'gan_opt': {'gan_type': 'hinge', 'loss_weight': 1.0},
        'idt_opt': {'loss_weight': 1.0},
        'lcl_opt': LCL,
        'intra_ccl_opt': INTRA,
        'inter_ccl_opt': INTER,
        'network_g': ARCH,
        'network_d': {},
        **CASES[case],
    }
    for net in ('network_g', 'network_d'):
        options[f'{net}_rain'] = options[net]
    return {key: value for key, value in options.items() if value is not None}


def build(options, modes, monkeypatch):
    """Our modules, and the same weights as plain state dicts for the reference."""
    torch.manual_seed(0)
    sides = ('',) if options.pop('one_sided', False) else ('', '_rain')
    nets = {}
    for side in sides:
        nets[f'g{side}'] = CCLGANGenerator(WIDTH, BLOCKS, **options['network_g'])
        nets[f'd{side}'] = CCLGANDiscriminator(WIDTH, **options['network_d'])
        if 'lcl_opt' in options:
            nets[f'h{side}'] = LCLHead(nets[f'g{side}'].feature_channels, DIM)
    for net in nets.values():
        net.double()
    if options['network_g'] == ARCH:
        # weights of ordinary size instead of the tiny initial ones, so that every term has a say
        for name, state in make_nets(sides=sides).items():
            if name in nets:
                nets[name].load_state_dict(state)
    else:
        for net in nets.values():
            for p in net.parameters():
                p.data.mul_(20).add_(0.05 * torch.randn_like(p))
    monkeypatch.setattr(intra_ccl_loss, 'build_encoder', lambda opt: TinyEncoder())
    types = {
        'gan': 'GANLoss',
        'idt': 'L1Loss',
        'cycle': 'L1Loss',
        'lcl': 'LCLLoss',
        'intra_ccl': 'IntraCCLLoss',
        'inter_ccl': 'InterCCLLoss',
    }
    losses = {
        name.removesuffix('_ccl'): build_loss(
            {'type': kind, **options[f'{name}_opt'], **({'encoder': {}} if name == 'intra_ccl' else {})}
        )
        for name, kind in types.items()
        if f'{name}_opt' in options
    }
    states = {name: {k: v.clone() for k, v in net.named_parameters()} for name, net in nets.items()}
    return CCLGANStep(nets, Criteria(**losses), modes), states


def train(step, options, batches):
    """The package's step with plain optimizers; losses and gradients of every iteration."""
    optimizers = {
        group: torch.optim.Adam(
            [p for name, net in step.nets.items() if name[0] == group for p in net.parameters()],
            **{k: v for k, v in options[f'optim_{group}'].items() if k != 'type'},
        )
        for group in {name[0] for name in step.nets}
    }
    records = []
    for iteration, batch in enumerate(batches, start=1):
        generator_step = iteration % options.get('net_d_iters', 1) == 0 and iteration > options.get(
            'net_d_init_iters', 0
        )
        made = step.translate(batch['r'], batch['c'], generator_step)
        losses = step.discriminator_losses(made.images, made.images)
        gradients = update(step, optimizers, losses, 'd')
        if generator_step:
            for name, net in step.nets.items():
                net.requires_grad_(name[0] != 'd')
            generator_losses = step.generator_losses(made, batch['fast_locations'])
            gradients |= update(step, optimizers, generator_losses, 'gh')
            losses |= generator_losses
            step.nets.requires_grad_(True)
        records.append((losses, gradients))
    return records


def update(step, optimizers, losses, groups):
    for optimizer in optimizers.values():
        optimizer.zero_grad()
    sum(losses.values()).backward()
    gradients = {}
    for name, net in step.nets.items():
        if name[0] in groups:
            gradients[name] = {k: p.grad.clone() for k, p in net.named_parameters() if p.grad is not None}
    for group in groups:
        if group in optimizers:
            optimizers[group].step()
    return gradients


def projections(step):
    inter = step.criteria.inter
    if inter is None or inter.projection == 'none':
        return None
    channels = step.nets['d'].feature_channels
    return {level: inter.projection_matrix(level, channels[level]) for level in inter.layers}


MODES = {
    'plain': StepModes(),
    'joined': StepModes(batch_identity=True),
    'channels_last': StepModes(channels_last=True),
    'all': StepModes(channels_last=True, batch_identity=True, checkpointing=True),
    'checkpointing': StepModes(checkpointing=True),
    # The graphs and their derivatives as compilers get them, without minutes of code generation.
    'compile': StepModes(compile=True, compile_backend='aot_eager'),
}
# Memory formats matter to the kernels of the networks, not to what the losses make of their results.
RUNS = [(case, batch, mode) for mode in ('plain', 'joined') for case in CASES for batch in (1, 2, 3)] + [
    (case, batch, mode)
    for mode in ('channels_last', 'all', 'checkpointing')
    for case in ('paper', 'no anti-aliasing', 'residual generator without norm', 'CUT-like')
    for batch in (1, 2)
]
RUNS += [('paper', 2, 'compile'), ('fewer generator steps', 1, 'compile')]


@pytest.mark.parametrize(('case', 'batch', 'mode'), RUNS)
def test_losses_gradients_and_weights(case, batch, mode, monkeypatch):
    options = make_options(case)
    step, states = build(options, MODES[mode], monkeypatch)
    generator = torch.Generator().manual_seed(7)
    batches = []
    for i in range(3):
        r, c = (image(batch, 32, 40, seed=10 * i + k) for k in range(2))
        locations = step.draw_locations(32, 40, generator)
        batches.append(
            {
                'r': r,
                'c': c,
                'fast_locations': locations,
                'locations': {'lcl': locations.lcl, 'inter': locations.inter},
            }
        )
    expected, final = reference_training(states, options, batches, [TinyEncoder()], projections(step))
    for (losses, gradients), record in zip(train(step, options, batches), expected, strict=True):
        assert set(losses) == set(record.losses)
        for name, value in record.losses.items():
            assert losses[name].item() == pytest.approx(value.item(), rel=1e-12, abs=1e-12), name
        for net, tensors in record.gradients.items():
            # The gradient of a bias before a norm is rounding noise: measured against the net's largest.
            noise = 1e-13 * max(t.norm().item() for t in tensors.values())
            for name, gradient in tensors.items():
                found = gradients[net].get(name, torch.zeros_like(gradient))
                error = (found - gradient).norm().item()
                assert error <= 1e-10 * gradient.norm().item() + noise, (net, name, error)
    for net, tensors in final.items():
        for name, weight in tensors.items():
            torch.testing.assert_close(
                step.nets[net].get_parameter(name).detach(), weight.detach(), rtol=1e-8, atol=1e-8
            )
