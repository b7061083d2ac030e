"""The options that say which step a benchmark runs, the same for all of them."""

from __future__ import annotations

import argparse

import torch

from benchmarks.step_options import ENCODERS
from benchmarks.step_recipes import Setting
from cclgan_plugin.archs import CCLGANDiscriminator
from cclgan_plugin.errors import OptionError

#: The paper's networks on its crops.
PAPER = Setting()


def add_setting_arguments(parser: argparse.ArgumentParser, default: Setting = PAPER) -> None:
    """Options for images, networks and device."""
    add = parser.add_argument
    d = default
    add('--size', type=int, default=d.size, help=f'side of the square images, in pixels ({d.size})')
    add('--batch', type=int, default=d.batch, help=f'pairs of images in a step ({d.batch})')
    width = f'channels after the first convolution of each network ({d.width})'
    add('--width', type=int, default=d.width, help=width)
    add('--blocks', type=int, default=d.blocks, help=f'residual blocks of the generators ({d.blocks})')
    encoder = f'semantic encoders: clip, vgg, clip+vgg or none ({d.encoder})'
    add('--encoder', default=d.encoder, help=encoder)
    add('--device', choices=('cpu', 'cuda'), default=d.device)


def read_setting(args: argparse.Namespace) -> Setting:
    """What :func:`add_setting_arguments` has added.

    Raises:
        OptionError: no step can have these values.
    """
    for name, least in {'size': CCLGANDiscriminator.min_size, 'batch': 1, 'width': 1, 'blocks': 1}.items():
        check_at_least(args, name, least)
    if args.encoder != 'none' and not set(args.encoder.split('+')) <= ENCODERS.keys():
        known = ', '.join(ENCODERS)
        raise OptionError(f'--encoder must be none, or {known} joined by "+", got "{args.encoder}"')
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise OptionError('--device cuda: PyTorch sees no graphics card here')
    return Setting(args.size, args.batch, args.width, args.blocks, args.encoder, args.device)


def check_at_least(args: argparse.Namespace, name: str, least: int) -> None:
    """Raises OptionError where an option is less."""
    if getattr(args, name) < least:
        raise OptionError(f'--{name} must be at least {least}, got {getattr(args, name)}')
