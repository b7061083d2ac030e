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
    if isinstance(term.encoder, ModuleLevels):
        net = term.encoder.net
        run = run_generator(net, opt, device, f'{WHERE}.lcl.encoder')
        channels = level_channels(net, run, run.input[1])
        return {level: channels[level] for level in term.encoder.levels}
    images = training_images(opt, 'gt', device)
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


def crop_size(opt: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the ground truth of a training crop, in pixels; 128 where the options do not say.

    Raises:
        OptionError: ``gt_size`` is neither a number nor a pair of them, as datasets of one's own have it.
    """
    datasets = opt.get('datasets')
    train = (datasets.get('train') if isinstance(datasets, Mapping) else None) or {}
    # Real-ESRGAN's models crop what their dataset gives once more, unless the pairs are ready made.
    own = opt.get('gt_size') if opt.get('high_order_degradation', True) else None
    # Datasets and discriminators of faces call it otherwise.
    named = train.get('gt_size') or train.get('out_size')
    size = own or named or (opt.get('network_d') or {}).get('input_size') or 128
    try:
        height, width = size if isinstance(size, (list, tuple)) else (size, size)
        return int(height), int(width)
    except (TypeError, ValueError) as error:
        key = 'gt_size' if own else 'datasets.train.gt_size' if train.get('gt_size') else 'out_size'
        raise OptionError(
            f'{key}: expected a number of pixels, or a pair [height, width], got {size!r}'
        ) from error


def training_images(
    opt: Mapping[str, Any],
    side: str,
    device: torch.device,
    channels: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Two noisy images of the size of a training batch, for dry runs.

    Args:
        opt: BasicSR's options of the run.
        side: ``'lq'`` or ``'gt'``.
        device: where to make them.
        channels: of the images; by default what the options say, or 3.
        dtype: in which the network computes.
    """
    size = crop_size(opt)
    if side == 'lq':
        scale = int(opt.get('scale') or 1)
        size = max(size[0] // scale, 1), max(size[1] // scale, 1)
    channels = channels or _said_channels(opt) or 3
    images = torch.rand(2, channels, *size, generator=torch.Generator().manual_seed(0))
    return images.to(device, dtype)


def dtype_of(net: nn.Module) -> torch.dtype:
    """In which a network computes: a base model may be of float64 or bfloat16 altogether."""
    floating = (p.dtype for p in net.parameters() if p.is_floating_point())
    return next(floating, torch.float32)


def _said_channels(opt: Mapping[str, Any]) -> int | None:
    net_g = opt.get('network_g') or {}
    said = net_g.get('num_in_ch') or net_g.get('in_chans') or net_g.get('in_channels')
    return int(said) if said else None


def run_generator(net: nn.Module, opt: Mapping[str, Any], device: torch.device, where: str) -> DryRun:
    """:func:`run_alone` of the generator on training images.

    Where the options say nothing of channels and 3 are wrong, its first convolution tells how many it takes.

    Raises:
        OptionError: it does not run on images; the message begins with ``where``.
    """
    dtype = dtype_of(net)
    try:
        return run_alone(net, training_images(opt, 'lq', device, dtype=dtype), where, OWN_ENCODER)
    except OptionError:
        first = next((m.in_channels for m in net.modules() if isinstance(m, nn.Conv2d)), 3)
        if _said_channels(opt) or first == 3:
            raise
    return run_alone(net, training_images(opt, 'lq', device, first, dtype), where, OWN_ENCODER)


def require_colours(
    net: nn.Module, opt: Mapping[str, Any], device: torch.device, losses: Iterable[str]
) -> None:
    """Raise an OptionError unless the generator makes images of 3 channels, as frozen encoders take them.

    Args:
        net: the generator; one that does not run on images alone passes unseen.
        opt: BasicSR's options of the run.
        device: where it is.
        losses: that see its output through frozen encoders, by their keys.
    """
    losses = list(losses)
    if not losses:
        return
    try:
        output = run_generator(net, opt, device, WHERE).output
    except OptionError:
        return
    if output is not None and len(output) == 4 and output[1] != 3:
        raise OptionError(
            f'{WHERE}.{losses[0]}.encoder: a frozen encoder takes images of 3 channels, and net_g '
            f'({type(net).__name__}) makes {output[1]}'
        )


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
                f'{where}: "{level}" of {name} has a single place in an image, and LCL tells the places of '
                'one image apart; take another level'
            )
