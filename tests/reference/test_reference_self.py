"""The reference judged by itself: closed forms, finite differences and symmetries, nothing of the package."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from . import reference_d_losses, reference_g_losses, reference_training
from .layers import (
    blur_pool,
    blur_upsample,
    enlarge,
    instance_norm,
    l2_normalise,
    reflect_pad,
    transposed_conv,
)
from .losses import (
    gan,
    inter_ratio,
    inter_vectors,
    intra_ratio,
    patch_nce,
    sample,
    sum_over_trained_levels,
)
from .networks import discriminator, discriminator_features, encode, generator, head
from .step import lcl_terms
from .weights import (
    discriminator_shapes,
    generator_channels,
    generator_shapes,
    head_shapes,
    random_state,
)

WIDTH, BLOCKS, DIM = 4, 2, 16
MIRROR = {'g': 'g_rain', 'd': 'd_rain', 'h': 'h_rain', 'g_rain': 'g', 'd_rain': 'd', 'h_rain': 'h'}
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


# --- layers


@pytest.mark.parametrize('batch', [1, 2])
def test_instance_norm_has_the_values_of_torch_and_the_gradient_of_finite_differences(batch: int) -> None:
    x = noise(batch, 2, 3, 4).requires_grad_()
    torch.testing.assert_close(instance_norm(x), F.instance_norm(x), rtol=1e-12, atol=1e-12)

    def through_a_channels_last_gradient(y: Tensor) -> Tensor:
        return instance_norm(y).permute(0, 2, 3, 1).contiguous() * noise(batch, 3, 4, 2, seed=1)

    assert torch.autograd.gradcheck(through_a_channels_last_gradient, x)


def test_reflect_pad_is_the_usual_one() -> None:
    x = noise(2, 3, 5, 4)
    assert torch.equal(reflect_pad(x, 3), F.pad(x, (3, 3, 3, 3), mode='reflect'))
    with pytest.raises(ValueError, match='reflect 4 pixels at a side of 4'):
        reflect_pad(x, 4)


def test_enlarging_reflects_to_a_multiple_of_four_and_is_nothing_where_none_is_needed() -> None:
    x = noise(1, 2, 9, 14)
    assert torch.equal(enlarge(x), F.pad(x, (0, 2, 0, 3), mode='reflect'))
    x = noise(1, 2, 8, 16)
    assert torch.equal(enlarge(x), x)


def test_enlarging_a_tiny_image_bounces_back_and_forth() -> None:
    row = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).expand(1, 1, 1, 3)
    expected = torch.tensor([1.0, 2, 3, 2, 1, 2, 3, 2], dtype=torch.float64).expand(1, 1, 8, 8)
    assert torch.equal(enlarge(row), expected)


@pytest.mark.parametrize('size', [(8, 6), (7, 6), (5, 9)])
def test_blur_pool_is_a_strided_depthwise_convolution(size: tuple[int, int]) -> None:
    x = noise(2, 3, *size)
    line = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)
    kernel = (line[:, None] * line[None, :] / 16).expand(3, 1, 3, 3)
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode='reflect'), kernel, stride=2, groups=3)
    torch.testing.assert_close(blur_pool(x), expected, rtol=1e-13, atol=1e-13)


def test_blur_upsample_is_bilinear_and_is_the_1331_kernel() -> None:
    x = noise(2, 3, 5, 4)
    bilinear = F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)
    torch.testing.assert_close(blur_upsample(x), bilinear, rtol=1e-14, atol=1e-14)
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 4
    kernel = (line[:, None] * line[None, :]).expand(3, 1, 4, 4)
    spread = F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode='replicate'), kernel, stride=2, groups=3)
    torch.testing.assert_close(blur_upsample(x), spread[:, :, 3:-3, 3:-3], rtol=1e-14, atol=1e-14)


def test_transposed_conv_is_a_plain_convolution_of_the_image_spread_out_with_zeros() -> None:
    x, weight, bias = noise(2, 3, 5, 4), noise(3, 6, 3, 3, seed=1), noise(6, seed=2)
    spread = x.new_zeros(2, 3, 10, 8)
    spread[:, :, ::2, ::2] = x
    flipped = weight.flip(2, 3).transpose(0, 1)
    expected = F.conv2d(spread, flipped, bias, padding=1)
    found = transposed_conv({'up.weight': weight, 'up.bias': bias}, 'up', x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('layer', [blur_pool, blur_upsample, enlarge, l2_normalise])
def test_layers_pass_gradcheck(layer: Callable[[Tensor], Tensor]) -> None:
    assert torch.autograd.gradcheck(layer, noise(2, 2, 5, 4).requires_grad_())


# --- networks


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


def test_discriminator_levels_and_logits() -> None:
    state = random_state(discriminator_shapes(WIDTH), seed=1)
    x = image(2)
    maps = discriminator_features(state, x)
    assert torch.equal(maps['image'], 2 * x - 1)
    assert maps['conv2'].shape == (2, 2 * WIDTH, 15, 15)
    assert maps['conv3'].shape == (2, 4 * WIDTH, 7, 7)
    assert discriminator(state, x).shape == (2, 1, 2, 2)
    assert discriminator(state, image(1, 256, 256)).shape == (1, 1, 30, 30)


def test_the_bias_of_the_fourth_discriminator_convolution_is_without_effect() -> None:
    state = random_state(discriminator_shapes(WIDTH), seed=1, gain=1.0, bias_std=0.1)
    without = {name: tensor for name, tensor in state.items() if name != 'conv4.bias'}
    x = image(2)
    torch.testing.assert_close(discriminator(without, x), discriminator(state, x), rtol=1e-11, atol=1e-11)


def test_head_gives_unit_vectors() -> None:
    state = random_state(head_shapes(generator_channels(WIDTH), DIM), seed=1, bias_std=0.1)
    vectors = head(state, 'down2', noise(2, 5, 4 * WIDTH))
    assert vectors.shape == (2, 5, DIM)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2, 5, dtype=torch.float64))


# --- losses


@pytest.mark.parametrize(
    ('gan_type', 'real', 'fake', 'asked'),
    [
        ('hinge', (0 + 3) / 2, (3 + 0) / 2, 0.0),
        ('lsgan', (1 + 9) / 2, (4 + 4) / 2, (1 + 9) / 2),
        ('wgan', 0.0, 0.0, 0.0),
    ],
)
def test_gan_by_hand(gan_type: str, real: float, fake: float, asked: float) -> None:
    logits = torch.tensor([2.0, -2.0], dtype=torch.float64)
    option = {'gan_type': gan_type, 'loss_weight': 3.0}
    assert gan(logits, True, True, option).item() == pytest.approx(real)
    assert gan(logits, False, True, option).item() == pytest.approx(fake)
    assert gan(logits, True, False, option).item() == pytest.approx(3 * asked)


@pytest.mark.parametrize('is_real', [True, False])
def test_the_logistic_gan_losses_are_binary_cross_entropy(is_real: bool) -> None:
    logits = noise(7)
    expected = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))
    for gan_type in ('vanilla', 'wgan_softplus'):
        found = gan(logits, is_real, True, {'gan_type': gan_type})
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_sampling_reads_row_by_row() -> None:
    features = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert sample(features, torch.tensor([5, 0, 11]))[0, :, 0].tolist() == [5.0, 0.0, 11.0]


def test_patch_nce_by_hand() -> None:
    # image 1: query 0 is its key, query 1 is orthogonal to its own and equal to the other;
    # image 2: both queries at 45 degrees between the keys
    query = torch.tensor([[[2.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [3.0, 3.0]]], dtype=torch.float64)
    key = torch.tensor([[[5.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    t = 0.5
    near, far, half = math.exp(1 / t), 1.0, math.exp(math.sqrt(0.5) / t)
    within = [near / (near + far), far / (near + far), 0.5, 0.5]
    across = [near / (2 * near + 2 * far), far / (2 * near + 2 * far), half / (4 * half), half / (4 * half)]
    for negatives, shares in (('image', within), ('batch', across)):
        expected = -sum(math.log(share) for share in shares) / 4
        assert patch_nce(query, key, t, negatives).item() == pytest.approx(expected, rel=1e-12)


def test_patch_nce_takes_a_vector_of_zeros_as_similar_to_nothing() -> None:
    query, key = torch.zeros(1, 3, 4, dtype=torch.float64), noise(1, 3, 4)
    assert patch_nce(query, key).item() == pytest.approx(math.log(3), rel=1e-12)


def test_patch_nce_has_a_gradient_for_the_query_only() -> None:
    query, key = noise(2, 3, 4).requires_grad_(), noise(2, 3, 4, seed=1).requires_grad_()
    patch_nce(query, key).backward()
    assert query.grad is not None
    assert key.grad is None
    assert torch.autograd.gradcheck(lambda q: patch_nce(q, key, 0.3, 'batch'), query)


def test_intra_ratio_by_hand_and_its_gradient() -> None:
    def embedding(*rows: float) -> Tensor:
        return torch.tensor(rows, dtype=torch.float64)[:, None]

    found = intra_ratio(embedding(0, 1), embedding(1, 4), [(1.0, embedding(2, 0)), (0.1, embedding(10, 11))])
    assert found.item() == pytest.approx((1 / (2 + 1 + 1e-7) + 3 / (1 + 1 + 1e-7)) / 2, rel=1e-12)
    anchor, others = noise(2, 4).requires_grad_(), [noise(2, 4, seed=i).requires_grad_() for i in (1, 2, 3)]

    def ratio(a: Tensor) -> Tensor:
        return intra_ratio(a, others[0], [(1.0, others[1]), (0.1, others[2])])

    assert torch.autograd.gradcheck(ratio, anchor)
    ratio(anchor).backward()
    assert all(other.grad is None for other in others)


def test_inter_ratio_by_hand_and_its_gradient() -> None:
    def vectors(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)[:, None, None]

    found = inter_ratio(vectors(0, 1), vectors(2, 1), vectors(1, 3), vectors(5, 0))
    expected = ((1 + 1 + 0.4) / (5 + 3 + 1e-7) + (2 + 2 + 0) / (1 + 1 + 1e-7)) / 2
    assert found.item() == pytest.approx(expected, rel=1e-12)
    fake, again = noise(2, 3, 2).requires_grad_(), noise(2, 3, 2, seed=1).requires_grad_()
    near, far = (noise(2, 3, 2, seed=i).requires_grad_() for i in (2, 3))
    assert torch.autograd.gradcheck(lambda a, b: inter_ratio(a, b, near, far), (fake, again))
    inter_ratio(fake, again, near, far).backward()
    assert near.grad is None
    assert far.grad is None


def test_inter_vectors_are_picked_or_averaged_then_projected_then_normalised() -> None:
    features, matrix = noise(2, 3, 4, 5), noise(3, 6, seed=1)
    places = torch.tensor([7, 0])
    picked = inter_vectors(features, places, 'sample', matrix)
    expected = features[1, :, 1, 2] @ matrix
    torch.testing.assert_close(picked[1, 0], expected / expected.norm())
    averaged = inter_vectors(features, None, 'mean', None)
    expected = features[0].mean(dim=(1, 2))
    assert averaged.shape == (2, 1, 3)
    torch.testing.assert_close(averaged[0, 0], expected / expected.norm())


def test_levels_are_summed_over_the_number_of_trained_ones() -> None:
    ratios = {level: torch.tensor(value) for level, value in (('image', 1.0), ('conv2', 2.0), ('conv3', 5.0))}
    assert sum_over_trained_levels(ratios).item() == 4.0
    with pytest.raises(ValueError, match='trained levels'):
        sum_over_trained_levels({'image': torch.tensor(1.0)})


# --- the step


@pytest.mark.parametrize('cycle_encoders', ['domain', 'release'])
def test_every_image_meets_the_head_of_its_domain_and_the_encoder_the_table_names(
    cycle_encoders: str,
) -> None:
    class Names:
        def __getattr__(self, name: str) -> str:
            return name

    option = {'terms': ['translation', 'reconstruction', 'identity'], 'cycle_encoders': cycle_encoders}
    terms = lcl_terms({'lcl_opt': option}, Names())
    one, other = ('g_rain', 'g') if cycle_encoders == 'domain' else ('g', 'g_rain')
    assert terms == {
        'rain_translation': (('r', 'g', 'h_rain'), ('c_hat', 'g_rain', 'h')),
        'clean_translation': (('c', 'g_rain', 'h'), ('r_hat', 'g', 'h_rain')),
        'rain_reconstruction': (('c_hat', one, 'h'), ('r_again', other, 'h_rain')),
        'clean_reconstruction': (('r_hat', other, 'h_rain'), ('c_again', one, 'h')),
        'rain_identity': (('r', 'g', 'h_rain'), ('r_same', 'g', 'h_rain')),
        'clean_identity': (('c', 'g_rain', 'h'), ('c_same', 'g_rain', 'h')),
    }


def test_names_of_the_losses() -> None:
    nets, options = make_nets(), make_options()
    args = (nets, options, image(), image(seed=1))
    assert list(reference_d_losses(*args)) == ['l_d', 'l_d_rain']
    assert list(reference_g_losses(*args, make_locations(), [TinyEncoder()])) == [
        'l_g_gan', 'l_g_gan_rain', 'l_idt', 'l_idt_rain', 'l_lcl', 'l_intra', 'l_inter'
    ]  # fmt: skip


@pytest.mark.parametrize('gan_type', ['hinge', 'lsgan'])
@pytest.mark.parametrize('cycle_encoders', ['domain', 'release'])
def test_mirroring_rain_and_clean_mirrors_the_losses(gan_type: str, cycle_encoders: str) -> None:
    nets, options = make_nets(), all_options()
    options['gan_opt']['gan_type'] = gan_type
    options['lcl_opt']['cycle_encoders'] = cycle_encoders
    r, c, locations = image(2), image(2, seed=1), make_locations()
    swap = {'rain': 'clean', 'clean': 'rain'}
    mirrored_terms = {}
    for term, places in locations['lcl'].items():
        side, kind = term.split('_')
        mirrored_terms[f'{swap[side]}_{kind}'] = places
    mirrored_locations = {**locations, 'lcl': mirrored_terms}
    mirrored_nets = {MIRROR[net]: state for net, state in nets.items()}
    pairs = {'l_g_gan': 'l_g_gan_rain', 'l_idt': 'l_idt_rain', 'l_cycle': 'l_cycle_rain', 'l_d': 'l_d_rain'}
    pairs |= {b: a for a, b in pairs.items()}
    straight = reference_g_losses(nets, options, r, c, locations, [TinyEncoder()])
    mirrored = reference_g_losses(mirrored_nets, options, c, r, mirrored_locations, [TinyEncoder()])
    straight |= reference_d_losses(nets, options, r, c)
    mirrored |= reference_d_losses(mirrored_nets, options, c, r)
    assert straight.keys() == mirrored.keys()
    for name, loss in straight.items():
        torch.testing.assert_close(mirrored[pairs.get(name, name)], loss, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('pooling', ['sample', 'mean'])
def test_a_batch_is_the_average_of_its_images(pooling: str) -> None:
    nets, locations = make_nets(), make_locations()
    options = all_options(inter_ccl_opt={'loss_weight': 0.005, 'pooling': pooling})
    r, c = image(3), image(3, seed=1)

    def losses(which: slice) -> dict[str, Tensor]:
        g_losses = reference_g_losses(nets, options, r[which], c[which], locations, [TinyEncoder()])
        return g_losses | reference_d_losses(nets, options, r[which], c[which])

    joined, singles = losses(slice(None)), [losses(slice(i, i + 1)) for i in range(3)]
    for name, loss in joined.items():
        torch.testing.assert_close(
            torch.stack([s[name] for s in singles]).mean(), loss, rtol=1e-12, atol=1e-12
        )


def test_negatives_of_the_batch_change_the_lcl_loss_of_a_batch_only() -> None:
    nets, locations = make_nets(), make_locations()

    def lcl(count: int, negatives: str) -> float:
        options = make_options(lcl_opt={'negatives': negatives})
        r, c = image(count), image(count, seed=1)
        return reference_g_losses(nets, options, r, c, locations, [TinyEncoder()])['l_lcl'].item()

    assert lcl(1, 'batch') == pytest.approx(lcl(1, 'image'), rel=1e-12)
    assert lcl(2, 'batch') > lcl(2, 'image')


def test_losses_without_stopped_gradients_agree_with_central_differences() -> None:
    options = make_options(cycle_opt={'loss_weight': 10.0}, lcl_opt=None, intra_ccl_opt=None)
    options['inter_ccl_opt'] = {'loss_weight': 1.0, 'projection': 'fixed'}
    nets, locations = with_grad(make_nets()), make_locations()
    projections = {'image': noise(3, 4), 'conv2': noise(8, 4, seed=1), 'conv3': noise(16, 4, seed=2)}
    r, c = image(2), image(2, seed=1)

    def total(point: dict[str, dict[str, Tensor]]) -> Tensor:
        losses = reference_g_losses(point, options, r, c, locations, (), projections)
        return torch.stack(list(losses.values())).sum()

    total(nets).backward()
    step = 1e-7
    for name in ('stem.conv.weight', 'blocks.1.conv1.weight', 'up1.conv.weight', 'out.conv.bias'):
        for net in ('g', 'g_rain'):
            weight = nets[net][name]
            assert weight.grad is not None
            direction = noise(*weight.shape, seed=3)
            moved = [
                total({**nets, net: {**nets[net], name: weight.detach() + sign * step * direction}}).item()
                for sign in (1, -1)
            ]
            slope = (weight.grad * direction).sum().item()
            assert (moved[0] - moved[1]) / (2 * step) == pytest.approx(slope, rel=1e-4)


def test_generator_losses_leave_the_discriminators_alone_and_reach_everything_else() -> None:
    nets = with_grad(make_nets())
    losses = reference_g_losses(
        nets, make_options(), image(), image(seed=1), make_locations(), [TinyEncoder()]
    )
    torch.stack(list(losses.values())).sum().backward()
    for net, state in nets.items():
        for name, tensor in state.items():
            if net.startswith('d'):
                assert tensor.grad is None, (net, name)
            else:
                assert tensor.grad is not None, (net, name)
                assert tensor.grad.abs().max() > 0, (net, name)


def test_discriminator_losses_reach_the_discriminators_only() -> None:
    nets = with_grad(make_nets())
    losses = reference_d_losses(nets, make_options(), image(), image(seed=1))
    torch.stack(list(losses.values())).sum().backward()
    found = {net for net, state in nets.items() for tensor in state.values() if tensor.grad is not None}
    assert found == {'d', 'd_rain'}


def test_intra_is_the_formula_of_the_page() -> None:
    nets, r, c, encoder = make_nets(), image(), image(seed=1), TinyEncoder()
    c_hat, r_hat = generator(nets['g'], r, {}), generator(nets['g_rain'], c, {})
    r_again, c_again = generator(nets['g_rain'], c_hat, {}), generator(nets['g'], r_hat, {})
    for anchors in (['reconstruction'], ['translation'], ['reconstruction', 'translation']):
        expected = 0.0
        for layer, weight in enumerate((0.7 * 0.5, 0.7 * 2.0)):

            def far(a: Tensor, b: Tensor, layer: int = layer) -> float:
                return (encoder(a)[layer] - encoder(b)[layer]).abs().mean().item()

            if 'reconstruction' in anchors:
                rain = far(r_again, r) / (far(r_again, c) + 0.1 * far(r_again, c_hat) + 1e-7)
                clean = far(c_again, c) / (far(c_again, r) + 0.1 * far(c_again, r_hat) + 1e-7)
                expected += weight * 0.5 * (rain + clean)
            if 'translation' in anchors:
                rain = far(c_hat, c) / (far(c_hat, r) + 1e-7)
                clean = far(r_hat, r) / (far(r_hat, c) + 1e-7)
                expected += weight * 0.5 * (rain + clean)
        options = make_options(intra_ccl_opt={'loss_weight': 1.5, 'anchors': anchors})
        found = reference_g_losses(nets, options, r, c, make_locations(), [encoder])['l_intra']
        assert found.item() == pytest.approx(1.5 * expected, rel=1e-12)


def test_inter_is_the_formula_of_the_page() -> None:
    nets, r, c, locations = make_nets(), image(), image(seed=1), make_locations()
    c_hat, r_hat = generator(nets['g'], r, {}), generator(nets['g_rain'], c, {})
    r_again, c_again = generator(nets['g_rain'], c_hat, {}), generator(nets['g'], r_hat, {})
    expected = 0.0
    for level, places in locations['inter'].items():

        def far(net: str, a: Tensor, b: Tensor, level: str = level, places: Tensor = places) -> float:
            maps = (discriminator_features(nets[net], x)[level].flatten(2)[:, :, places] for x in (a, b))
            one, other = (F.normalize(m, dim=1) for m in maps)
            return (one - other).abs().mean().item()

        near = far('d', c_hat, c) + far('d', c_again, c) + 0.2 * far('d', c_hat, c_again)
        expected += near / (far('d', c_hat, r) + far('d', c_again, r) + 1e-7) / 2
        near = far('d_rain', r_hat, r) + far('d_rain', r_again, r) + 0.2 * far('d_rain', r_hat, r_again)
        expected += near / (far('d_rain', r_hat, c) + far('d_rain', r_again, c) + 1e-7) / 2
    found = reference_g_losses(nets, make_options(), r, c, locations, [TinyEncoder()])['l_inter']
    assert found.item() == pytest.approx(0.005 * expected, rel=1e-12)


def test_lcl_is_the_formula_of_the_page() -> None:
    nets, r, c, locations = make_nets(), image(), image(seed=1), make_locations()
    c_hat, r_hat = generator(nets['g'], r, {}), generator(nets['g_rain'], c, {})
    r_again, c_again = generator(nets['g_rain'], c_hat, {}), generator(nets['g'], r_hat, {})
    expected = 0.0
    for term, key, query in (
        ('rain_translation', (r, 'g', 'h_rain'), (c_hat, 'g_rain', 'h')),
        ('clean_translation', (c, 'g_rain', 'h'), (r_hat, 'g', 'h_rain')),
        ('rain_reconstruction', (c_hat, 'g_rain', 'h'), (r_again, 'g', 'h_rain')),
        ('clean_reconstruction', (r_hat, 'g', 'h_rain'), (c_again, 'g_rain', 'h')),
    ):
        for level, places in locations['lcl'][term].items():
            k, q = (
                head(nets[h], level, encode(nets[g], x, {})[level].flatten(2)[0, :, places].T)
                for x, g, h in (key, query)
            )
            logits = q @ k.T / 0.07
            expected -= (logits.diagonal() - logits.logsumexp(dim=1)).mean().item() / (4 * 3)
    found = reference_g_losses(nets, make_options(), r, c, locations, [TinyEncoder()])['l_lcl']
    assert found.item() == pytest.approx(2 * expected, rel=1e-12)


def test_one_sided_step_has_no_halves() -> None:
    nets = make_nets(sides=('',))
    options = make_options(
        lcl_opt={'loss_weight': 1.0, 'terms': ['translation', 'identity']},
        intra_ccl_opt=None,
        inter_ccl_opt=None,
    )
    r, c = image(2), image(2, seed=1)
    locations = make_locations(('translation', 'identity'))
    losses = reference_g_losses(nets, options, r, c, locations)
    assert list(losses) == ['l_g_gan', 'l_idt', 'l_lcl']
    fake, same = generator(nets['g'], r, {}), generator(nets['g'], c, {})
    assert losses['l_g_gan'].item() == pytest.approx(-discriminator(nets['d'], fake).mean().item())
    assert losses['l_idt'].item() == pytest.approx((same - c).abs().mean().item())
    assert list(reference_d_losses(nets, options, r, c)) == ['l_d']
    with pytest.raises(ValueError, match='inter_ccl_opt needs the second generator'):
        reference_g_losses(nets, make_options(intra_ccl_opt=None), r, c, locations)


def test_weights_and_halves_of_the_generator_losses() -> None:
    nets, r, c = make_nets(), image(), image(seed=1)
    light = all_options()
    heavy = {
        name: {**option, 'loss_weight': 3 * option['loss_weight']} if 'loss_weight' in option else option
        for name, option in light.items()
    }
    args = (r, c, make_locations(), [TinyEncoder()])
    once, thrice = reference_g_losses(nets, light, *args), reference_g_losses(nets, heavy, *args)
    for name, loss in once.items():
        torch.testing.assert_close(thrice[name], 3 * loss, rtol=1e-12, atol=1e-12)
    c_hat = generator(nets['g'], r, {})
    r_again = generator(nets['g_rain'], c_hat, {})
    same = generator(nets['g'], c, {})
    assert once['l_g_gan'].item() == pytest.approx(-0.5 * discriminator(nets['d'], c_hat).mean().item())
    assert once['l_idt'].item() == pytest.approx(0.5 * (same - c).abs().mean().item())
    assert once['l_cycle'].item() == pytest.approx(10 * (r_again - r).abs().mean().item())


# --- several steps


def test_two_steps_with_the_methods_initialisation_are_finite_and_move_every_weight() -> None:
    nets = make_nets(gain=0.02, bias_std=0.0)
    batches = [
        {'r': image(seed=i), 'c': image(seed=10 + i), 'locations': make_locations(seed=i)} for i in range(2)
    ]
    records, final = reference_training(nets, make_options(), batches, [TinyEncoder()])
    assert len(records) == 2
    for record in records:
        assert set(record.gradients) == set(nets)
        assert all(torch.isfinite(loss) for loss in record.losses.values())
        for state in record.gradients.values():
            assert all(g.dtype == torch.float64 and torch.isfinite(g).all() for g in state.values())
    # a norm cancels conv4's bias; while all logits lie within the hinge, real and fake cancel conv5's
    still = {(net, f'conv{i}.bias') for net in ('d', 'd_rain') for i in (4, 5)}
    for net, state in final.items():
        for name, tensor in state.items():
            assert (net, name) in still or not torch.equal(tensor, nets[net][name]), (net, name)


def test_the_discriminators_step_first_and_the_generators_see_them_updated() -> None:
    nets, options, r, c = make_nets(), make_options(), image(), image(seed=1)
    batch = {'r': r, 'c': c, 'locations': make_locations()}
    (record,), final = reference_training(nets, options, [batch], [TinyEncoder()])
    fakes = {'d': generator(nets['g'], r, {}), 'd_rain': generator(nets['g_rain'], c, {})}
    for net, name in (('d', 'l_g_gan'), ('d_rain', 'l_g_gan_rain')):
        after = -0.5 * discriminator(final[net], fakes[net]).mean()
        before = -0.5 * discriminator(nets[net], fakes[net]).mean()
        torch.testing.assert_close(record.losses[name], after, rtol=1e-12, atol=1e-12)
        assert abs(after - before) > 1e-6


def test_adams_first_step_is_the_learning_rate_against_the_gradients_sign() -> None:
    nets = make_nets()
    batch = {'r': image(), 'c': image(seed=1), 'locations': make_locations()}
    (record,), final = reference_training(nets, make_options(), [batch], [TinyEncoder()])
    for net, name, rate in (
        ('g', 'out.conv.weight', 2e-4),
        ('d_rain', 'conv5.weight', 2e-4),
        ('h', 'mlps.down1.2.weight', 1e-3),
    ):
        gradient = record.gradients[net][name]
        expected = nets[net][name] - rate * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(final[net][name], expected, rtol=1e-12, atol=1e-12)


def test_generators_step_when_basicsr_says_so() -> None:
    options = make_options(
        net_d_iters=2, net_d_init_iters=2, lcl_opt=None, intra_ccl_opt=None, inter_ccl_opt=None
    )
    nets = {net: state for net, state in make_nets().items() if not net.startswith('h')}
    batch = {'r': image(), 'c': image(seed=1)}
    records, _ = reference_training(nets, options, [batch] * 5)
    assert ['g' in record.gradients for record in records] == [False, False, False, True, False]
    assert all('d' in record.gradients for record in records)
