"""The networks against stacks of torch's own modules, and the sizes, names and counts of the method."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .networks import discriminator, discriminator_features, encode, generator, head
from .samples import BLOCKS, DIM, WIDTH, depthwise_blur, image, noise
from .weights import discriminator_shapes, generator_channels, generator_shapes, head_shapes, random_state


def test_the_generator_has_11_4_million_parameters() -> None:
    count = sum(math.prod(shape) for shape in generator_shapes().values())
    assert count == (180 + 288 * 9) * 64**2 + 300 * 64 + 3
    assert round(count / 1e6, 1) == 11.4


@pytest.mark.parametrize('norm', ['instance', 'none'])
@pytest.mark.parametrize('anti_alias', [True, False])
@pytest.mark.parametrize('residual', [True, False])
@pytest.mark.parametrize('size', [(32, 24), (30, 37), (8, 3), (1, 1)])
def test_generator_keeps_size_dtype_and_range(
    norm: str, anti_alias: bool, residual: bool, size: tuple[int, int]
) -> None:
    arch = {'norm': norm, 'anti_alias': anti_alias, 'residual': residual}
    state = random_state(generator_shapes(WIDTH, BLOCKS, norm, anti_alias), seed=1, gain=1.0, bias_std=0.1)
    x = image(2, *size)
    y = generator(state, x, arch)
    assert y.shape == x.shape
    assert y.dtype == torch.float64
    assert y.min() >= 0
    assert y.max() <= 1


@pytest.mark.parametrize(('anti_alias', 'sides'), [(True, (32, 16, 8)), (False, (16, 8, 8))])
def test_generator_levels_have_their_sizes(anti_alias: bool, sides: tuple[int, ...]) -> None:
    state = random_state(generator_shapes(WIDTH, BLOCKS, anti_alias=anti_alias), seed=1)
    maps = encode(state, image(2, 32, 31), {'anti_alias': anti_alias})
    channels = generator_channels(WIDTH)
    assert {k: tuple(v.shape) for k, v in maps.items()} == {
        level: (2, channels[level], side, side) for level, side in zip(channels, sides, strict=True)
    }


def test_a_bias_before_a_feature_level_shifts_the_level_and_not_the_image() -> None:
    state = random_state(generator_shapes(WIDTH, BLOCKS), seed=1, gain=1.0)
    moved = {**state, 'down1.conv.bias': state['down1.conv.bias'] + 0.5}
    x = image()
    torch.testing.assert_close(generator(moved, x, {}), generator(state, x, {}), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(encode(moved, x, {})['down1'], encode(state, x, {})['down1'] + 0.5)


def test_residual_predicts_a_clamped_change() -> None:
    state = random_state(generator_shapes(WIDTH, BLOCKS), seed=1, gain=1.0)
    x = image()
    change = 2 * generator(state, x, {}) - 1
    expected = ((2 * x - 1 + change).clamp(-1, 1) + 1) / 2
    torch.testing.assert_close(generator(state, x, {'residual': True}), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('name', ['stem.conv.bias', 'down1.conv.stray'])
def test_weights_the_method_does_not_know_are_refused(name: str) -> None:
    state = random_state(generator_shapes(WIDTH, BLOCKS), seed=1)
    with pytest.raises(ValueError, match=name):
        generator({**state, name: noise(WIDTH)}, image(), {})


@pytest.mark.parametrize(('arch', 'sides'), [({}, (15, 7)), ({'anti_alias': False}, (8, 4))])
def test_discriminator_levels_and_logits(arch: dict[str, bool], sides: tuple[int, int]) -> None:
    state = random_state(discriminator_shapes(WIDTH), seed=1)
    x = image(2)
    maps = discriminator_features(state, x, arch)
    assert torch.equal(maps['image'], 2 * x - 1)
    assert maps['conv2'].shape == (2, 2 * WIDTH, *[sides[0]] * 2)
    assert maps['conv3'].shape == (2, 4 * WIDTH, *[sides[1]] * 2)
    assert discriminator(state, x, arch).shape == (2, 1, 2, 2)
    assert discriminator(state, image(1, 256, 256), arch).shape == (1, 1, 30, 30)


def test_the_bias_of_the_fourth_discriminator_convolution_is_without_effect() -> None:
    state = random_state(discriminator_shapes(WIDTH), seed=1, gain=1.0, bias_std=0.1)
    without = {name: tensor for name, tensor in state.items() if name != 'conv4.bias'}
    x = image(2)
    torch.testing.assert_close(
        discriminator(without, x, {}), discriminator(state, x, {}), rtol=1e-11, atol=1e-11
    )


class Blur(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return depthwise_blur(x)


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode='reflect', bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode='reflect', bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.instance_norm(self.conv2(F.relu(F.instance_norm(self.conv1(x)))))
        return x + y


def fill(stack: nn.Sequential, state: dict[str, Tensor]) -> nn.Sequential:
    """The weights of a state, in its order, into modules in theirs."""
    stack = stack.double()
    own = stack.state_dict()
    assert len(own) == len(state)
    stack.load_state_dict(dict(zip(own, state.values(), strict=True)))
    return stack


@pytest.mark.parametrize('anti_alias', [True, False])
def test_generator_is_the_stack_of_torchs_own_modules(anti_alias: bool) -> None:
    w, shapes = WIDTH, generator_shapes(WIDTH, BLOCKS, anti_alias=anti_alias)
    state = random_state(shapes, seed=1, gain=1.0, bias_std=0.1)
    stride = 1 if anti_alias else 2

    def down(c_in: int) -> list[nn.Module]:
        parts = [nn.Conv2d(c_in, 2 * c_in, 3, stride, 1), nn.InstanceNorm2d(2 * c_in), nn.ReLU()]
        return [*parts, Blur()] if anti_alias else parts

    def up(c_in: int) -> list[nn.Module]:
        double = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False)
        same = nn.Conv2d(c_in, c_in // 2, 3, 1, 1, bias=False)
        grow = nn.ConvTranspose2d(c_in, c_in // 2, 3, 2, 1, 1, bias=False)
        return [*([double, same] if anti_alias else [grow]), nn.InstanceNorm2d(c_in // 2), nn.ReLU()]

    stack = nn.Sequential(
        nn.Conv2d(3, w, 7, padding=3, padding_mode='reflect', bias=False), nn.InstanceNorm2d(w), nn.ReLU(),
        *down(w), *down(2 * w), *(Block(4 * w) for _ in range(BLOCKS)), *up(4 * w), *up(2 * w),
        nn.Conv2d(w, 3, 7, padding=3, padding_mode='reflect'), nn.Tanh(),
    )  # fmt: skip
    x = image(2, 32, 24)
    expected = (fill(stack, state)(2 * x - 1) + 1) / 2
    torch.testing.assert_close(
        generator(state, x, {'anti_alias': anti_alias}), expected, rtol=1e-11, atol=1e-11
    )
    position = {id(module): i for i, module in enumerate(stack)}
    blocks = [module for module in stack if isinstance(module, Block)]
    maps = encode(state, x, {'anti_alias': anti_alias})
    after_downs = [i for i, module in enumerate(stack) if isinstance(module, nn.Conv2d)][1:3]
    for level, last in zip(maps, [*after_downs, position[id(blocks[0])]], strict=True):
        torch.testing.assert_close(maps[level], stack[: last + 1](2 * x - 1), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize('anti_alias', [True, False])
def test_discriminator_is_the_stack_of_torchs_own_modules(anti_alias: bool) -> None:
    w, state = WIDTH, random_state(discriminator_shapes(WIDTH), seed=1, gain=1.0, bias_std=0.1)
    stride, blur, arch = (
        1 if anti_alias else 2,
        Blur if anti_alias else nn.Identity,
        {'anti_alias': anti_alias},
    )
    stack = nn.Sequential(
        nn.Conv2d(3, w, 4, stride, 1), nn.LeakyReLU(0.2), blur(),
        nn.Conv2d(w, 2 * w, 4, stride, 1, bias=False), nn.InstanceNorm2d(2 * w), nn.LeakyReLU(0.2), blur(),
        nn.Conv2d(2 * w, 4 * w, 4, stride, 1, bias=False), nn.InstanceNorm2d(4 * w), nn.LeakyReLU(0.2),
        blur(), nn.Conv2d(4 * w, 8 * w, 4, padding=1), nn.InstanceNorm2d(8 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(8 * w, 1, 4, padding=1),
    )  # fmt: skip
    x = image(2)
    expected = fill(stack, state)(2 * x - 1)
    torch.testing.assert_close(discriminator(state, x, arch), expected, rtol=1e-11, atol=1e-11)
    maps = discriminator_features(state, x, arch)
    torch.testing.assert_close(maps['conv2'], stack[:4](2 * x - 1))
    torch.testing.assert_close(maps['conv3'], stack[:8](2 * x - 1))


def test_head_gives_unit_vectors() -> None:
    state = random_state(head_shapes(generator_channels(WIDTH), DIM), seed=1, bias_std=0.1)
    vectors = head(state, 'down2', noise(2, 5, 4 * WIDTH))
    assert vectors.shape == (2, 5, DIM)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2, 5, dtype=torch.float64))
