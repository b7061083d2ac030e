"""Every BasicSR model that restores single images, in miniature, with and without CCLGAN's losses."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from basicsr.models import build_model
from basicsr.utils import set_random_seed

ADAM = {'type': 'Adam', 'lr': 1.0e-3, 'betas': [0.9, 0.99]}
VGG = {'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_2', 'relu2_1']}

MSR = {'type': 'MSRResNet', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 2}
RRDB = {'type': 'RRDBNet', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'num_grow_ch': 4}
SWIN = {
    'type': 'SwinIR',
    'img_size': 16,
    'window_size': 8,
    'depths': [2],
    'embed_dim': 8,
    'num_heads': [2],
    'mlp_ratio': 2,
    'upsampler': 'pixelshuffle',
    'resi_connection': '1conv',
}
UNET = {'type': 'UNetDiscriminatorSN', 'num_in_ch': 3, 'num_feat': 4, 'skip_connection': True}
VGG_D = {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 4, 'input_size': 128}
PATCH = {'type': 'CCLGANDiscriminator', 'width': 4}
HIFACE = {'type': 'HiFaceGAN', 'num_feat': 4, 'norm_g': 'spectralspadeinstance3x3', 'crop_size': 64}
HIFACE_D = {'type': 'HiFaceGANDiscriminator', 'num_feat': 4, 'conditional_d': True}

DEGRADATION: dict[str, Any] = {
    'gt_usm': True,
    'l1_gt_usm': True,
    'percep_gt_usm': True,
    'gan_gt_usm': False,
    'queue_size': 4,
    'gt_size': 32,
}
for _suffix in ('', '2'):
    DEGRADATION |= {
        f'resize_prob{_suffix}': [0.2, 0.7, 0.1],
        f'resize_range{_suffix}': [0.5, 1.5],
        f'gaussian_noise_prob{_suffix}': 0.5,
        f'noise_range{_suffix}': [1, 30],
        f'poisson_scale_range{_suffix}': [0.05, 3],
        f'gray_noise_prob{_suffix}': 0.4,
        f'jpeg_range{_suffix}': [30, 95],
    }
DEGRADATION['second_blur_prob'] = 0.8

#: Model, scale, generator, discriminator, what it reads besides.
MODELS: dict[str, tuple[int, dict[str, Any], dict[str, Any] | None, dict[str, Any]]] = {
    'SRModel': (1, {**RRDB, 'scale': 1, 'num_block': 2}, None, {}),
    'SRGANModel': (4, {**MSR, 'upscale': 4}, PATCH, {'train': {'ldl_opt': None}}),
    'ESRGANModel': (4, {**RRDB, 'scale': 4}, UNET, {}),
    'SwinIRModel': (2, {**SWIN, 'upscale': 2, 'drop_path_rate': 0.0}, None, {}),
    'HiFaceGANModel': (1, HIFACE, HIFACE_D, {'train': {'ema_decay': 0}}),
    'RealESRNetModel': (4, {**RRDB, 'scale': 4}, None, DEGRADATION),
    'RealESRGANModel': (
        4,
        {**RRDB, 'scale': 4},
        UNET,
        {**DEGRADATION, 'train': {'ldl_opt': {'type': 'L1Loss'}, 'ema_decay': 0.9}},
    ),
}
GANS = {name for name, (_, _, net_d, _) in MODELS.items() if net_d is not None}
SAME_SIZE = {name for name, (scale, *_) in MODELS.items() if scale == 1}
DEGRADES = {'RealESRNetModel', 'RealESRGANModel'}

#: A level of each discriminator.
LEVEL_D = {'CCLGANDiscriminator': 'conv3', 'UNetDiscriminatorSN': 'conv2'}


def plain_options(name: str, folder: Path | None = None, **changes: Any) -> dict[str, Any]:
    """BasicSR's options of a model, as its pipeline hands them to ``build_model``; changes go to
    ``train``."""
    scale, net_g, net_d, further = MODELS[name]
    further = copy.deepcopy(further)
    size = 64 if name == 'HiFaceGANModel' else 32
    models = str(folder) if folder else ''
    return {
        'name': 'tiny',
        'model_type': name,
        'num_gpu': 0,
        'dist': False,
        'rank': 0,
        'world_size': 1,
        'is_train': True,
        'manual_seed': 3,
        'scale': scale,
        'datasets': {'train': {'gt_size': size}},
        'network_g': dict(net_g),
        **({'network_d': dict(net_d)} if net_d else {}),
        'path': {'models': models, 'training_states': models},
        'train': {
            'total_iter': 9,
            'ema_decay': 0.9,
            'optim_g': dict(ADAM),
            'optim_d': dict(ADAM),
            'scheduler': {'type': 'MultiStepLR', 'milestones': [2], 'gamma': 0.5},
            'pixel_opt': {'type': 'L1Loss', 'loss_weight': 1.0, 'reduction': 'mean'},
            'gan_opt': {
                'type': 'MultiScaleGANLoss' if name == 'HiFaceGANModel' else 'GANLoss',
                'gan_type': 'hinge' if name == 'HiFaceGANModel' else 'vanilla',
                'loss_weight': 0.1,
            },
            **further.pop('train', {}),
            **changes,
        },
        **further,
    }


def contrastive_options(name: str, folder: Path | None = None, **losses: Any) -> dict[str, Any]:
    """The same with ``train.contrastive_opt``."""
    opt = plain_options(name, folder)
    opt |= {'model_type': 'ContrastiveModel', 'base_model_type': name}
    opt['train']['contrastive_opt'] = losses
    return opt


def losses_for(name: str, weight: float = 0.5) -> dict[str, Any]:
    """Every loss that goes with a model, each with the same weight."""
    scale, net_g, net_d, _ = MODELS[name]
    level_g = {'RRDBNet': ['conv_first', 'body.1'], 'HiFaceGAN': ['lip_encoder']}.get(net_g['type'], [])
    losses: dict[str, Any] = {'intra_ccl': {'type': 'IntraCCLLoss', 'loss_weight': weight, 'encoder': VGG}}
    if net_d is not None and net_d['type'] in LEVEL_D:
        losses['inter_ccl'] = {
            'type': 'InterCCLLoss',
            'loss_weight': weight,
            'layers': [LEVEL_D[net_d['type']]],
            'num_patches': 8,
        }
    losses['lcl'] = {'type': 'LCLLoss', 'loss_weight': weight, 'num_patches': 8}
    losses['lcl'] |= {'encoder': 'net_g', 'layers': level_g} if scale == 1 else {'encoder': VGG}
    return losses


def batch(
    name: str, step: int, size: int | None = None, dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    """Training data of one step, of another size in each step where the model allows it."""
    scale = MODELS[name][0]
    generator = torch.Generator().manual_seed(100 + step)
    side = size or (
        64 if name == 'HiFaceGANModel' else 48 if name in DEGRADES else 32 + 8 * scale * (step % 2)
    )
    gt = torch.rand(2, 3, side, side, generator=generator, dtype=dtype)
    data = {'gt': gt, 'lq': torch.rand(2, 3, side // scale, side // scale, generator=generator, dtype=dtype)}
    if name in DEGRADES:
        kernel = torch.rand(2, 21, 21, generator=generator)
        kernel /= kernel.sum((1, 2), keepdim=True)
        data |= {'kernel1': kernel, 'kernel2': kernel, 'sinc_kernel': kernel}
    return data


def build(opt: dict[str, Any], seed: int = 0) -> Any:
    """Build a model from a seed."""
    set_random_seed(seed)
    return build_model(opt)


def train(model: Any, name: str, steps: int = 3, first: int = 1, seed: int = 0) -> None:
    """Some iterations as BasicSR's pipeline makes them."""
    set_random_seed(seed + first)
    for iteration in range(first, first + steps):
        model.update_learning_rate(iteration, warmup_iter=-1)
        model.feed_data(batch(name, iteration))
        model.optimize_parameters(iteration)


def weights(model: Any) -> dict[str, torch.Tensor]:
    """A copy of every weight and buffer of the networks of a model."""
    return {
        f'{network}.{key}': value.detach().clone()
        for network in ('net_g', 'net_d', 'net_g_ema', 'net_h')
        if getattr(model, network, None) is not None
        for key, value in getattr(model, network).state_dict().items()
    }
