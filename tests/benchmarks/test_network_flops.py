"""The formulas of each network give exactly what PyTorch's counter sees, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.network_flops import (
    DiscriminatorShape,
    GeneratorShape,
    Layer,
    discriminator_feature_layers,
    discriminator_layers,
    encoding_layers,
    generator_layers,
    pass_flops,
    vgg19_layers,
    vision_transformer_layers,
)
from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator
from cclgan_plugin.archs.sampling import draw_locations
from cclgan_plugin.encoders.vgg19_tower import VGG19Tower

KINDS = [(True, False), (True, True), (False, True), (False, False)]


def counted(run: Callable[[Tensor], Sequence[Tensor]], shape: tuple[int, ...], image_gradient: bool) -> int:
    """Operations of a pass and, where anything asks for a gradient, of its backward pass."""
    image = torch.rand(shape).requires_grad_(image_gradient)
    with FlopCounterMode(display=False) as flops:
        total = torch.stack([output.sum() for output in run(image)]).sum()
        if total.requires_grad:
            total.backward()
    return flops.get_total_flops()


@pytest.mark.parametrize(('weights', 'image'), KINDS)
@pytest.mark.parametrize('anti_alias', [True, False])
def test_generator(anti_alias: bool, weights: bool, image: bool) -> None:
    net = CCLGANGenerator(3, 2, anti_alias=anti_alias).requires_grad_(weights)
    shape = GeneratorShape(3, 2, anti_alias, 26, 33)
    found = counted(lambda x: [net(x)], (1, 3, 26, 33), image)
    assert found == pass_flops(generator_layers(shape), weights, image)


@pytest.mark.parametrize('anti_alias', [True, False])
def test_encoding_down_to_the_first_block(anti_alias: bool) -> None:
    net = CCLGANGenerator(3, 2, anti_alias=anti_alias)
    shape = GeneratorShape(3, 2, anti_alias, 16, 24)
    # Only the deepest level: the gradient of the others joins it on the way.
    found = counted(lambda x: [net.encode(x, ['block1'])['block1']], (2, 3, 16, 24), True)
    assert found == 2 * pass_flops(encoding_layers(shape, ['down1', 'block1'], 5), True, True)


@pytest.mark.parametrize(('level', 'anti_alias'), [('down1', True), ('down2', True), ('down2', False)])
def test_a_raw_level_costs_as_much_as_its_locations(level: str, anti_alias: bool) -> None:
    net = CCLGANGenerator(3, 1, anti_alias=anti_alias)
    shape = GeneratorShape(3, 1, anti_alias, 16, 16)
    whole = counted(lambda x: [net.encode(x, [level])[level]], (1, 3, 16, 16), True)
    positions = shape.positions(level)
    assert whole == pass_flops(encoding_layers(shape, [level], positions), True, True)
    last = encoding_layers(shape, [level], positions)[-1].flops
    fewer = pass_flops(encoding_layers(shape, [level], 7), True, True)
    assert whole - fewer == 3 * (last - last // positions * 7)


@pytest.mark.parametrize(('weights', 'image'), KINDS)
@pytest.mark.parametrize('anti_alias', [True, False])
def test_discriminator(anti_alias: bool, weights: bool, image: bool) -> None:
    net = CCLGANDiscriminator(3, anti_alias).requires_grad_(weights)
    found = counted(lambda x: [net(x)], (1, 3, 32, 41), image)
    layers = discriminator_layers(DiscriminatorShape(3, anti_alias, 32, 41))
    assert found == pass_flops(layers, weights, image)


@pytest.mark.parametrize('anti_alias', [True, False])
@pytest.mark.parametrize('levels', [('image', 'conv2', 'conv3'), ('image', 'conv2'), ('conv3',)])
def test_discriminator_at_locations(levels: tuple[str, ...], anti_alias: bool) -> None:
    net = CCLGANDiscriminator(3, anti_alias).requires_grad_(False)
    sizes = net.feature_sizes(32, 41)
    where = {level: draw_locations(*sizes[level], 6) for level in levels}
    found = counted(lambda x: list(net.features_at(x, where).values()), (1, 3, 32, 41), True)
    layers = discriminator_feature_layers(DiscriminatorShape(3, anti_alias, 32, 41), levels, 6)
    assert found == pass_flops(layers, False, True)


@pytest.mark.parametrize('anti_alias', [True, False])
def test_discriminator_features_of_the_whole_map(anti_alias: bool) -> None:
    net, shape = (
        CCLGANDiscriminator(3, anti_alias).requires_grad_(False),
        DiscriminatorShape(3, anti_alias, 32, 41),
    )
    found = counted(lambda x: [net.encode(x, ['conv3'])['conv3']], (1, 3, 32, 41), False)
    assert found == pass_flops(discriminator_feature_layers(shape, ('conv3',), None), False, False)
    assert discriminator_feature_layers(shape, ('image',), 6) == []


@pytest.mark.parametrize('image', [False, True])
def test_vgg19(image: bool) -> None:
    layers = ('relu1_2', 'relu2_1')
    tower = VGG19Tower(layers, (0.5,) * 3, (0.5,) * 3).float().requires_grad_(False)
    found = counted(lambda x: [tower(x)[-1]], (1, 3, 10, 8), image)
    assert found == pass_flops(vgg19_layers(layers, 10, 8), False, image)


@pytest.mark.parametrize('image', [False, True])
def test_vision_transformer(image: bool) -> None:
    open_clip = pytest.importorskip('open_clip')
    size, patch, width, out, tokens = 16, 4, 8, 6, 17

    def network(blocks: int) -> torch.nn.Module:
        # An encoder's switch between kernels, of which PyTorch counts some only: keep to plain products.
        net = open_clip.transformer.VisionTransformer(size, patch, width, blocks, 2, 4.0, output_dim=out)
        return net.requires_grad_(False)

    def of(blocks: int) -> int:
        net = network(blocks)
        with sdpa_kernel(SDPBackend.MATH):
            return counted(lambda x: [net(x)], (1, 3, size, size), image)

    def formula(blocks: int) -> int:
        layers = vision_transformer_layers(size, patch, width, blocks, out)
        return pass_flops(layers, weights=False, image_gradient=image)

    assert of(3) - of(2) == formula(3) - formula(2)
    # In the last block open_clip lets all tokens ask and go on, though only one is handed out.
    idle, passes = tokens - 1, 2 if image else 1
    linear = 2 * idle * width * width * (1 + 1 + 4 + 4)
    attention = 4 * idle * tokens * width
    assert of(2) - formula(2) == passes * linear + (3 if image else 1) * attention


def test_nothing_flows_back_where_nothing_learns() -> None:
    layers = [Layer(10), Layer(1, trained=False), Layer(100)]
    assert pass_flops(layers, weights=False, image_gradient=False) == 111
    assert pass_flops(layers, weights=False, image_gradient=True) == 222
    assert pass_flops(layers, weights=True, image_gradient=False) == 111 + 110 + 101
    assert pass_flops(layers, weights=True, image_gradient=True) == 111 + 110 + 111
