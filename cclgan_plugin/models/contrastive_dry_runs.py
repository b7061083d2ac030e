"""What must be known of a model's networks before its optimizers are built, found by running them once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cclgan_plugin.archs.dry_run import DryRun, dry_run
from cclgan_plugin.archs.module_levels import ModuleLevels, level_channels
from cclgan_plugin.errors import OptionError, UserError
from cclgan_plugin.models.contrastive_lcl import LCLTerm

WHERE = 'train.contrastive_opt'
OWN_ENCODER = 'net_g'


def head_channels(term: LCLTerm, opt: Mapping[str, Any], device: torch.device) -> dict[str, int]:
    """Channels of LCL's levels, by one dry run of who encodes.

    Raises:
        OptionError: a level is no feature map.
    """
    images = training_images(opt, 'gt', device)
    if isinstance(term.encoder, ModuleLevels):
        net = term.encoder.net
        images = training_images(opt, 'lq', device)
        channels = level_channels(
            net, run_alone(net, images, f'{WHERE}.lcl.encoder', OWN_ENCODER), images.shape[1]
        )
        return {level: channels[level] for level in term.encoder.levels}
    with torch.no_grad():
        features = dict(zip(term.encoder.layers, term.encoder(images), strict=True))
    for level, x in features.items():
        if x.dim() != 4:
            raise OptionError(
                f'{WHERE}.lcl.encoder: {type(term.encoder).__name__} gives one vector for an image '
                f'({level}: {tuple(x.shape[1:])}), and LCL compares places; take VGG19Encoder, '
                f'RegisteredEncoder or {OWN_ENCODER}'
            )
    return {level: x.shape[1] for level, x in features.items()}


def crop_size(opt: Mapping[str, Any]) -> int:
    """Side of the ground truth of a training crop, in pixels; 128 where the options do not say."""
    datasets = opt.get('datasets')
    train = datasets.get('train') if isinstance(datasets, Mapping) else None
    # Real-ESRGAN's models crop what their dataset gives once more, unless the pairs are ready made.
    own = opt.get('gt_size') if opt.get('high_order_degradation', True) else None
    # Datasets and discriminators of faces call it otherwise.
    named = (train or {}).get('gt_size') or (train or {}).get('out_size')
    return int(own or named or (opt.get('network_d') or {}).get('input_size') or 128)


def training_images(opt: Mapping[str, Any], side: str, device: torch.device) -> Tensor:
    """Two noisy images of the size of a training batch, for dry runs."""
    size = crop_size(opt)
    if side == 'lq':
        size = max(size // int(opt.get('scale') or 1), 1)
    net_g = opt.get('network_g') or {}
    channels = int(net_g.get('num_in_ch') or net_g.get('in_chans') or net_g.get('in_channels') or 3)
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0)).to(device)


def run_alone(net: nn.Module, images: Tensor, where: str, name: str) -> DryRun:
    """:func:`dry_run` of a network on nothing but images.

    Raises:
        OptionError: it does not run on them; the message begins with ``where`` and calls it ``name``.
    """
    try:
        return dry_run(net, images)
    except UserError:
        raise
    except Exception as error:
        # A stranger's forward: whatever it raises, the reason is the image.
        raise OptionError(
            f'{where}: {name} ({type(net).__name__}) does not run on an image alone '
            f'{tuple(images.shape[1:])}: {type(error).__name__}: {error}'
        ) from error


def require_places(run: DryRun, levels: Iterable[str], where: str, name: str) -> None:
    """Raise an OptionError, which begins with ``where``, if a level is a map of a single place."""
    alone = [
        found.name for found in run.modules if found.is_map and found.shape and found.shape[-2:] == (1, 1)
    ]
    for level in levels:
        if level in alone:
            raise OptionError(
                f'{where}: "{level}" of {name} has a single place in an image, and LCL tells the places of one '
                'image apart; take another level'
            )
