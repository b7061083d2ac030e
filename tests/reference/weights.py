"""Names and shapes of all weights as section 2 of the method gives them, and random ones to try."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def generator_shapes(
    width: int = 64, num_blocks: int = 9, norm: str = 'instance', anti_alias: bool = True
) -> Shapes:
    """A bias before an instance norm is left out, except in the two convolutions that are feature levels."""
    w = width
    convs = {
        'stem.conv': (w, 3, 7, 7),
        'down1.conv': (2 * w, w, 3, 3),
        'down2.conv': (4 * w, 2 * w, 3, 3),
        **{f'blocks.{i}.conv{j}': (4 * w, 4 * w, 3, 3) for i in range(num_blocks) for j in (1, 2)},
        'up1.conv': (2 * w, 4 * w, 3, 3),
        'up2.conv': (w, 2 * w, 3, 3),
        'out.conv': (3, w, 7, 7),
    }
    shapes: Shapes = {}
    for name, (c_out, c_in, *kernel) in convs.items():
        transposed = name.startswith('up') and not anti_alias
        shapes[f'{name}.weight'] = (c_in, c_out, *kernel) if transposed else (c_out, c_in, *kernel)
        if norm == 'none' or name in ('down1.conv', 'down2.conv', 'out.conv'):
            shapes[f'{name}.bias'] = (c_out,)
    return shapes


def discriminator_shapes(width: int = 64) -> Shapes:
    """No bias in the two convolutions that are feature levels of the inter term.

    ``conv4.bias`` cannot change the logits (an instance norm follows), and the networks take a state
    without it as well.
    """
    w = width
    channels = [3, w, 2 * w, 4 * w, 8 * w, 1]
    shapes: Shapes = {}
    for i in range(1, 6):
        shapes[f'conv{i}.weight'] = (channels[i], channels[i - 1], 4, 4)
        if i not in (2, 3):
            shapes[f'conv{i}.bias'] = (channels[i],)
    return shapes


def generator_channels(width: int = 64) -> dict[str, int]:
    """Channels of the generator's feature levels."""
    return {'down1': 2 * width, 'down2': 4 * width, 'block1': 4 * width}


def head_shapes(channels: Mapping[str, int], dim: int = 256) -> Shapes:
    """One two-layer MLP for each level."""
    shapes: Shapes = {}
    for level, count in channels.items():
        shapes |= {f'mlps.{level}.0.weight': (dim, count), f'mlps.{level}.0.bias': (dim,)}
        shapes |= {f'mlps.{level}.2.weight': (dim, dim), f'mlps.{level}.2.bias': (dim,)}
    return shapes


def random_state(shapes: Shapes, seed: int, gain: float = 0.02, bias_std: float = 0.0) -> dict[str, Tensor]:
    """Float64 weights: Xavier normal with ``gain``; biases normal with ``bias_std`` (0 as in the method)."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        std = bias_std
        if len(shape) > 1:
            area = math.prod(shape[2:])
            std = gain * math.sqrt(2 / ((shape[0] + shape[1]) * area))
        state[name] = std * torch.randn(shape, generator=generator, dtype=torch.float64)
    return state
