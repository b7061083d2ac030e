"""The three kinds of networks as functions of a plain state, by section 2 of the method.

Images are ``(N, 3, H, W)`` in [0, 1] at every door; [-1, 1] is used inside only. ``arch`` is a mapping like
``network_g`` or ``network_d`` of the options file, of which ``norm``, ``anti_alias``, ``residual`` and
``skips`` are read here; width and number of blocks follow from the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .layers import (
    State,
    blur_pool,
    blur_upsample,
    conv,
    enlarge,
    instance_norm,
    l2_normalise,
    reflect_pad,
    transposed_conv,
)
from .weights import Shapes, discriminator_shapes, generator_shapes

Arch = Mapping[str, Any]


def _check(state: State, shapes: Shapes, optional: tuple[str, ...] = ()) -> None:
    """A weight that this file does not know would be ignored silently: refuse it."""
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wanted = {name: shape for name, shape in shapes.items() if name in found or name not in optional}
    if found != wanted:
        differ = sorted(n for n in found.keys() | wanted.keys() if found.get(n) != wanted.get(n))
        raise ValueError(
            'not the weights that the method describes: '
            + '; '.join(f'{n} is {found.get(n)}, expected {wanted.get(n)}' for n in differ)
        )


def _check_generator(state: State, arch: Arch) -> int:
    """Raise unless the state fits the options; the number of residual blocks."""
    num_blocks = len({name.split('.')[1] for name in state if name.startswith('blocks.')})
    width = state['stem.conv.weight'].shape[0]
    _check(
        state, generator_shapes(width, num_blocks, arch.get('norm', 'instance'), arch.get('anti_alias', True))
    )
    return num_blocks


def _norm(x: Tensor, arch: Arch) -> Tensor:
    return {'instance': instance_norm, 'none': lambda y: y}[arch.get('norm', 'instance')](x)


def _residual_block(state: State, index: int, x: Tensor, arch: Arch) -> Tensor:
    y = F.relu(_norm(conv(state, f'blocks.{index}.conv1', reflect_pad(x, 1)), arch))
    y = _norm(conv(state, f'blocks.{index}.conv2', reflect_pad(y, 1)), arch)
    return x + y


def _down(state: State, image: Tensor, arch: Arch) -> tuple[Tensor, Tensor, Tensor, Tensor, list[Tensor]]:
    """Enlarged image in [-1, 1]; raw outputs of down1 and of down2; what enters the first residual block.

    And what skips lead to the decoder: the maps of half and of full size.
    """
    entry = enlarge(image * 2 - 1)
    x = full = F.relu(_norm(conv(state, 'stem.conv', reflect_pad(entry, 3)), arch))
    if arch.get('anti_alias', True):
        down1 = conv(state, 'down1.conv', x, padding=1)
        x = half = blur_pool(F.relu(_norm(down1, arch)))
        down2 = conv(state, 'down2.conv', x, padding=1)
        x = blur_pool(F.relu(_norm(down2, arch)))
    else:
        down1 = conv(state, 'down1.conv', x, stride=2, padding=1)
        x = half = F.relu(_norm(down1, arch))
        down2 = conv(state, 'down2.conv', x, stride=2, padding=1)
        x = F.relu(_norm(down2, arch))
    return entry, down1, down2, x, [half, full]


def encode(state: State, image: Tensor, arch: Arch) -> dict[str, Tensor]:
    """The feature levels ``down1``, ``down2`` (raw convolutions) and ``block1`` of the enlarged image."""
    _check_generator(state, arch)
    _, down1, down2, x, _ = _down(state, image, arch)
    return {'down1': down1, 'down2': down2, 'block1': _residual_block(state, 0, x, arch)}


def generator(state: State, image: Tensor, arch: Arch) -> Tensor:
    """The translated image, of the same size."""
    num_blocks = _check_generator(state, arch)
    entry, _, _, x, skipped = _down(state, image, arch)
    for index in range(num_blocks):
        x = _residual_block(state, index, x, arch)
    for name, skip in zip(('up1.conv', 'up2.conv'), skipped, strict=True):
        if arch.get('anti_alias', True):
            x = conv(state, name, blur_upsample(x), padding=1)
        else:
            x = transposed_conv(state, name, x)
        x = F.relu(_norm(x, arch))
        if arch.get('skips', False):
            x = x + skip
    x = torch.tanh(conv(state, 'out.conv', reflect_pad(x, 3)))
    if arch.get('residual', False):
        x = torch.clamp(entry + x, -1, 1)
    return ((x + 1) / 2)[:, :, : image.shape[2], : image.shape[3]]


def discriminator_features(state: State, image: Tensor, arch: Arch) -> dict[str, Tensor]:
    """The levels ``image`` (in [-1, 1]), ``conv2`` and ``conv3`` (raw convolutions)."""
    _check(state, discriminator_shapes(state['conv1.weight'].shape[0]), optional=('conv4.bias',))
    entry = image * 2 - 1
    if arch.get('anti_alias', True):
        x = blur_pool(F.leaky_relu(conv(state, 'conv1', entry, padding=1), 0.2))
        conv2 = conv(state, 'conv2', x, padding=1)
        x = blur_pool(F.leaky_relu(instance_norm(conv2), 0.2))
        conv3 = conv(state, 'conv3', x, padding=1)
    else:
        x = F.leaky_relu(conv(state, 'conv1', entry, stride=2, padding=1), 0.2)
        conv2 = conv(state, 'conv2', x, stride=2, padding=1)
        x = F.leaky_relu(instance_norm(conv2), 0.2)
        conv3 = conv(state, 'conv3', x, stride=2, padding=1)
    return {'image': entry, 'conv2': conv2, 'conv3': conv3}


def discriminator(state: State, image: Tensor, arch: Arch) -> Tensor:
    """The map of logits ``(N, 1, h, w)``: large where the patch looks real."""
    x = F.leaky_relu(instance_norm(discriminator_features(state, image, arch)['conv3']), 0.2)
    x = blur_pool(x) if arch.get('anti_alias', True) else x
    x = F.leaky_relu(instance_norm(conv(state, 'conv4', x, padding=1)), 0.2)
    return conv(state, 'conv5', x, padding=1)


def head(state: State, level: str, vectors: Tensor) -> Tensor:
    """Vectors ``(..., C)`` of one level to unit vectors ``(..., dim)``."""
    hidden = F.relu(vectors @ state[f'mlps.{level}.0.weight'].T + state[f'mlps.{level}.0.bias'])
    return l2_normalise(hidden @ state[f'mlps.{level}.2.weight'].T + state[f'mlps.{level}.2.bias'])
