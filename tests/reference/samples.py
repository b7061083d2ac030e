"""Small things to try the step on: width 4, two residual blocks, 32x32 images, float64, all from seeds."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .weights import discriminator_shapes, generator_channels, generator_shapes, head_shapes, random_state

WIDTH, BLOCKS, DIM = 4, 2, 16
TERMS = [
    f'{side}_{kind}' for kind in ('translation', 'reconstruction', 'identity') for side in ('rain', 'clean')
]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def image(n: int = 1, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, height, width, generator=rng, dtype=torch.float64)


class TinyEncoder:
    """Two frozen random layers: a map and a vector."""

    weight = 0.7
    layer_weights = (0.5, 2.0)

    def __init__(self) -> None:
        self.kernel = noise(5, 3, 3, 3, seed=90)

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        features = torch.tanh(F.conv2d(images, self.kernel, stride=2))
        return features, features.mean(dim=(2, 3)) ** 2


def make_nets(
    gain: float = 1.0, bias_std: float = 0.1, sides: tuple[str, ...] = ('', '_rain')
) -> dict[str, dict[str, Tensor]]:
    shapes = {
        'g': generator_shapes(WIDTH, BLOCKS),
        'd': discriminator_shapes(WIDTH),
        'h': head_shapes(generator_channels(WIDTH), DIM),
    }
    return {
        net + side: random_state(shape, seed=10 * i + len(side), gain=gain, bias_std=bias_std)
        for i, (net, shape) in enumerate(shapes.items())
        for side in sides
    }


def make_locations(terms: list[str] | tuple[str, ...] = tuple(TERMS), seed: int = 0) -> dict[str, Any]:
    """Locations for 32x32 images."""
    rng = torch.Generator().manual_seed(seed)

    def draw(areas: dict[str, int], count: int) -> dict[str, Tensor]:
        return {level: torch.randperm(area, generator=rng)[:count] for level, area in areas.items()}

    return {
        'lcl': {term: draw({'down1': 32**2, 'down2': 16**2, 'block1': 8**2}, 7) for term in terms},
        'inter': draw({'image': 32**2, 'conv2': 15**2, 'conv3': 7**2}, 5),
    }


def make_options(**changes: Any) -> dict[str, Any]:
    arch = {'norm': 'instance', 'anti_alias': True, 'residual': False}
    return {
        'network_g': arch,
        'network_g_rain': arch,
        'optim_g': {'type': 'Adam', 'lr': 2.0e-4, 'betas': [0.5, 0.999]},
        'optim_d': {'type': 'Adam', 'lr': 2.0e-4, 'betas': [0.5, 0.999]},
        'optim_h': {'type': 'Adam', 'lr': 1.0e-3},
        'gan_opt': {'type': 'GANLoss', 'gan_type': 'hinge', 'loss_weight': 1.0},
        'idt_opt': {'type': 'L1Loss', 'loss_weight': 1.0},
        'lcl_opt': {'loss_weight': 2.0, 'terms': ['translation', 'reconstruction']},
        'intra_ccl_opt': {'loss_weight': 1.0, 'anchors': ['reconstruction']},
        'inter_ccl_opt': {'loss_weight': 0.005},
        **changes,
    }


def all_options(**changes: Any) -> dict[str, Any]:
    """Every loss switched on, in its richest form."""
    return make_options(
        cycle_opt={'type': 'L1Loss', 'loss_weight': 10.0},
        lcl_opt={'loss_weight': 2.0, 'terms': ['translation', 'reconstruction', 'identity']},
        intra_ccl_opt={'loss_weight': 1.0, 'anchors': ['reconstruction', 'translation']},
        **changes,
    )


def with_grad(nets: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    return {
        net: {k: t.detach().clone().requires_grad_() for k, t in state.items()} for net, state in nets.items()
    }


def depthwise_blur(x: Tensor) -> Tensor:
    line = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype)
    kernel = (line[:, None] * line[None, :] / 16).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode='reflect'), kernel, stride=2, groups=x.shape[1])
