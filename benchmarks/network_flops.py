"""Floating-point operations of each network, layer by layer, from its equations alone.

A multiply-add counts as two operations, as in ``torch.utils.flop_counter``. Convolutions are direct ones;
norms, activations, interpolation and anything else that is neither convolution nor matrix product count 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: (convolutions, channels) of VGG19's blocks; a pooling halves the image between two blocks.
VGG19_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


@dataclass(frozen=True)
class Layer:
    """One convolution or matrix product.

    Attributes:
        flops: of the forward pass, for one image. The gradient of its weights costs as much again.
        trained: whether it has weights that learn (a blur has not).
        input_gradient: what the gradient of its input costs; as much as the forward pass where ``None``.
    """

    flops: int
    trained: bool = True
    input_gradient: int | None = None


def pass_flops(layers: Sequence[Layer], weights: bool, image_gradient: bool) -> int:
    """A pass through a chain of layers, forward and, as far as a gradient is asked for, backward.

    Args:
        layers: from the image to the output.
        weights: whether the trained layers' weights need a gradient.
        image_gradient: whether the image that enters needs one.
    """
    total = 0
    # Whether anything in front of the present layer waits for a gradient.
    needed_before = image_gradient
    for layer in layers:
        total += layer.flops
        if weights and layer.trained:
            total += layer.flops
        if needed_before:
            total += layer.flops if layer.input_gradient is None else layer.input_gradient
        needed_before = needed_before or (weights and layer.trained)
    return total


def conv_flops(inputs: int, outputs: int, kernel: int, positions: int) -> int:
    """A direct ``kernel`` x ``kernel`` convolution evaluated at ``positions`` places."""
    return 2 * inputs * outputs * kernel**2 * positions


def _blur(channels: int, positions: int) -> Layer:
    return Layer(conv_flops(1, channels, 3, positions), trained=False)


@dataclass(frozen=True)
class GeneratorShape:
    """What a generator's cost depends on: ``CCLGANGenerator``'s options and the image it gets."""

    width: int
    blocks: int
    anti_alias: bool
    rows: int
    columns: int

    def positions(self, level: str) -> int:
        """Places in the map of a feature level, or of the whole image (``image``), padded as it is inside."""
        area = max(8, -(-self.rows // 4) * 4) * max(8, -(-self.columns // 4) * 4)
        shrunk = {'image': 1, 'down1': 1, 'down2': 4} if self.anti_alias else {'image': 1, 'down1': 4}
        return area // shrunk.get(level, 16)


def generator_layers(shape: GeneratorShape) -> list[Layer]:
    """Stem, down1, (blur,) down2, (blur,) two per block, up1, up2, out (method: section 2).

    Without anti-aliasing the down-sampling convolutions have stride 2, and the up-sampling ones are
    transposed: each place of their input meets the kernel once.
    """
    w, half, quarter = shape.width, 2 * shape.width, 4 * shape.width
    full = shape.positions('image')
    down1 = [Layer(conv_flops(w, half, 3, shape.positions('down1')))]
    down2 = [Layer(conv_flops(half, quarter, 3, shape.positions('down2')))]
    if shape.anti_alias:
        down1.append(_blur(half, full // 4))
        down2.append(_blur(quarter, full // 16))
    grown = 1 if shape.anti_alias else 4
    return [
        Layer(conv_flops(3, w, 7, full)),
        *down1,
        *down2,
        *[Layer(conv_flops(quarter, quarter, 3, full // 16))] * (2 * shape.blocks),
        Layer(conv_flops(quarter, half, 3, full // 4 // grown)),
        Layer(conv_flops(half, w, 3, full // grown)),
        Layer(conv_flops(w, 3, 7, full)),
    ]


def encoding_layers(shape: GeneratorShape, levels: Sequence[str], places: int) -> list[Layer]:
    """The generator as far as the deepest of ``levels``.

    A raw convolution output that nothing else needs is evaluated at ``places`` locations only; the output
    of the first block passes a norm, which needs the whole map.
    """
    deepest = max(levels, key=('down1', 'down2', 'block1').index)
    depths = (
        {'down1': 2, 'down2': 4, 'block1': 7} if shape.anti_alias else {'down1': 2, 'down2': 3, 'block1': 5}
    )
    layers = generator_layers(shape)[: depths[deepest]]
    if deepest == 'block1':
        return layers
    return [*layers[:-1], _sampled(layers[-1], shape.positions(deepest), places)]


def _sampled(layer: Layer, positions: int, places: int) -> Layer:
    return Layer(layer.flops // positions * min(places, positions))


@dataclass(frozen=True)
class DiscriminatorShape:
    """What a discriminator's cost depends on: ``CCLGANDiscriminator``'s options and the image it gets."""

    width: int
    anti_alias: bool
    rows: int
    columns: int

    def positions(self) -> list[tuple[int, int]]:
        """Places in each convolution's map, and in what the blur behind it leaves of that (0: no blur)."""
        found, sides = [], [self.rows, self.columns]
        for index in range(5):
            halves, blurs = index < 3, index < 3 and self.anti_alias
            sides = [side // 2 if halves and not blurs else side - 1 for side in sides]
            places = math.prod(sides)
            if blurs:
                sides = [(side + 1) // 2 for side in sides]
            found.append((places, math.prod(sides) if blurs else 0))
        return found


def discriminator_layers(shape: DiscriminatorShape) -> list[Layer]:
    """conv1, (blur,) conv2, (blur,) conv3, (blur,) conv4, conv5 (method: section 2)."""
    w = shape.width
    channels = [3, w, 2 * w, 4 * w, 8 * w, 1]
    layers = []
    for index, (places, blurred) in enumerate(shape.positions()):
        layers.append(Layer(conv_flops(channels[index], channels[index + 1], 4, places)))
        if blurred:
            layers.append(_blur(channels[index + 1], blurred))
    return layers


def discriminator_feature_layers(
    shape: DiscriminatorShape, levels: Sequence[str], places: int | None
) -> list[Layer]:
    """The discriminator as far as the deepest of ``levels``, evaluated there at ``places`` locations only.

    ``places`` is ``None`` where the whole map is needed. The level ``image`` costs nothing.
    """
    deepest = 2 if 'conv3' in levels else 1 if 'conv2' in levels else None
    if deepest is None:
        return []
    layers = discriminator_layers(shape)[: 1 + deepest * (2 if shape.anti_alias else 1)]
    if places is None:
        return layers
    return [*layers[:-1], _sampled(layers[-1], shape.positions()[deepest][0], places)]


def vgg19_layers(layers: Sequence[str], height: int, width: int) -> list[Layer]:
    """VGG19's convolutions as far as the deepest of ``layers`` (``relu1_1`` to ``relu5_4``)."""
    found: list[Layer] = []
    depth, inputs = 0, 3
    for block, (count, channels) in enumerate(VGG19_BLOCKS, start=1):
        for index in range(1, count + 1):
            found.append(Layer(conv_flops(inputs, channels, 3, height * width)))
            inputs = channels
            if f'relu{block}_{index}' in layers:
                depth = len(found)
        height, width = height // 2, width // 2
    return found[:depth]


def vision_transformer_layers(image: int, patch: int, width: int, blocks: int, out: int) -> list[Layer]:
    """A ViT that embeds an image in its class token, as CLIP's: patches, blocks, projection.

    In the last block only the class token asks, and only it goes on: the others are needed as keys and
    values. Attention is two matrix products; the gradients of queries, keys, values and weights are four.
    """
    tokens = (image // patch) ** 2 + 1
    found = [Layer(conv_flops(3, width, patch, tokens - 1))]
    for block in range(blocks):
        asking = tokens if block < blocks - 1 else 1
        attention = 2 * 2 * asking * tokens * width
        found += [
            Layer(2 * width * width * (2 * tokens + asking)),
            Layer(attention, trained=False, input_gradient=2 * attention),
            Layer(2 * width * width * asking),
            Layer(2 * 2 * width * 4 * width * asking),
        ]
    return [*found, Layer(2 * width * out)]
