"""VGG19's convolutions, as far down as the deepest layer asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_plugin.archs.frozen_conv import FrozenAwareConv2d
from cclgan_plugin.encoders.channel_affine import ChannelAffine
from cclgan_plugin.encoders.frozen import FrozenTower
from cclgan_plugin.encoders.weights_fit import Shapes
from cclgan_plugin.errors import OptionError

# (convolutions, channels) of the five blocks; a 2x2 max pooling follows each.
BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def convolutions() -> dict[str, tuple[int, int]]:
    """``conv1_1`` to ``conv5_4`` in order, each with its input and output channels."""
    found: dict[str, tuple[int, int]] = {}
    channels = 3
    for block, (count, width) in enumerate(BLOCKS, start=1):
        for index in range(1, count + 1):
            found[f'conv{block}_{index}'] = (channels, width)
            channels = width
    return found


LAYERS = tuple(name.replace('conv', 'relu') for name in convolutions())


def expected_shapes() -> Shapes:
    """Name and shape of all 32 tensors of the 16 convolutions, also those a shallow tower leaves out."""
    shapes: Shapes = {}
    for name, (inputs, outputs) in convolutions().items():
        shapes[f'{name}.weight'] = (outputs, inputs, 3, 3)
        shapes[f'{name}.bias'] = (outputs,)
    return shapes


class VGG19Tower(FrozenTower):
    """Rectified features of (N, 3, H, W) RGB images in [0, 1], at the images' own size.

    Args:
        layers: names out of ``LAYERS``; the features come in this order.
        mean, std: what the weights were trained with, for images in [0, 1].
    """

    def __init__(self, layers: Sequence[str], mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.normalise = ChannelAffine(mean, std)
        depth = 1 + max(LAYERS.index(name) for name in layers)
        for name, (inputs, outputs) in list(convolutions().items())[:depth]:
            conv = FrozenAwareConv2d(inputs, outputs, kernel_size=3, padding=1, slope=0.0)
            # Keeps the size of the activations through 16 layers, for when the weights stay random.
            nn.init.kaiming_normal_(conv.weight, mode='fan_out', nonlinearity='relu')
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            self.add_module(name, conv)
        self._convolutions = [name for name, _ in self.named_children() if name != 'normalise']
        self._smallest = 2 ** (int(self._convolutions[-1][4]) - 1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        if min(images.shape[-2:]) < self._smallest:
            raise OptionError(
                f'VGG19Encoder: layers: {self._convolutions[-1].replace("conv", "relu")} needs images of at '
                f'least {self._smallest} pixels a side, these are {images.shape[-2]}x{images.shape[-1]}.'
            )
        features: dict[str, Tensor] = {}
        x = self.normalise(images)
        block = '1'
        for name in self._convolutions:
            if name[4] != block:
                block = name[4]
                x = F.max_pool2d(x, kernel_size=2)
            x = getattr(self, name)(x)
            features[name.replace('conv', 'relu')] = x
        return tuple(features[name] for name in self.layers)
