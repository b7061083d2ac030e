"""The discriminator: logits and features from one pass, and features at a few locations only."""

import pytest
import torch
from basicsr.archs import build_network

from cclgan_plugin.archs import CCLGANDiscriminator
from cclgan_plugin.archs.sampling import draw_locations, sample_locations
from cclgan_plugin.errors import DataError, OptionError


def make(width=3, **options):
    torch.manual_seed(0)
    return CCLGANDiscriminator(width, **options).double()


# 70 with strided convolutions; the three blurs, at 1, 2 and 4 pixels per cell, add 2 pixels each
@pytest.mark.parametrize(('anti_alias', 'side'), [(True, 70 + 2 * (1 + 2 + 4)), (False, 70)])
def test_is_registered_and_judges_patches_of_its_size(anti_alias, side):
    net = build_network({'type': 'CCLGANDiscriminator', 'width': 2, 'anti_alias': anti_alias}).double()
    x = torch.rand(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    for module in net.modules():
        if module.__class__.__name__ == 'InstanceNorm':
            module.forward = lambda x: x  # the statistics of the whole image would blur the patch's edge
    logits = net(x)
    assert tuple(logits.shape) == (1, 1, 30, 30)
    logits[0, 0, 15, 15].backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero()
    assert rows.max() - rows.min() + 1 == side


@pytest.mark.parametrize('anti_alias', [True, False])
@pytest.mark.parametrize('size', [(24, 24), (25, 31), (64, 40)])
def test_levels_have_the_declared_channels_and_sizes(size, anti_alias):
    net = make(anti_alias=anti_alias)
    logits, features = net.forward_features(torch.rand(2, 3, *size, dtype=torch.float64))
    assert logits.shape[:2] == (2, 1)
    sizes = net.feature_sizes(*size)
    for level, channels in net.feature_channels.items():
        assert tuple(features[level].shape) == (2, channels, *sizes[level])


def test_the_image_level_is_the_image_in_minus_1_to_1():
    x = torch.rand(1, 3, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(make().forward_features(x)[1]['image'], x * 2 - 1)


@pytest.mark.parametrize('anti_alias', [True, False])
@pytest.mark.parametrize('levels', [['image'], ['conv2'], ['conv3'], ['image', 'conv2', 'conv3']])
def test_features_at_locations_equal_the_sampled_maps_with_their_gradients(levels, anti_alias):
    net = make(anti_alias=anti_alias)
    x = torch.rand(2, 3, 30, 26, dtype=torch.float64, requires_grad=True)
    locations = {level: draw_locations(*net.feature_sizes(30, 26)[level], 9) for level in levels}
    features = net.forward_features(x)[1]
    expected = {level: sample_locations(features[level], where) for level, where in locations.items()}
    found = net.features_at(x, locations)
    assert set(found) == set(levels)
    upstream = {level: torch.randn_like(v) for level, v in expected.items()}
    gradients = [
        torch.autograd.grad([v[level] for level in levels], x, [upstream[level] for level in levels])[0]
        for v in (expected, found)
    ]
    for level in levels:
        torch.testing.assert_close(found[level], expected[level], rtol=1e-11, atol=1e-14)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-10, atol=1e-14)


def test_encode_stops_at_the_deepest_level():
    net = make()
    x = torch.rand(1, 3, 24, 24, dtype=torch.float64)
    expected = net.forward_features(x)[1]
    called = []
    net.conv4.register_forward_hook(lambda *_: called.append('conv4'))
    for levels in (['image'], ['conv2'], ['conv3', 'image']):
        found = net.encode(x, levels)
        assert list(found) == levels
        assert all(torch.equal(found[level], expected[level]) for level in levels)
    assert not called


def test_no_bias_where_it_would_only_collect_noise():
    biased = {name for name, _ in make().named_parameters() if name.endswith('bias')}
    assert biased == {'conv1.bias', 'conv4.bias', 'conv5.bias'}


def test_too_small_images_and_unknown_levels_are_named():
    with pytest.raises(DataError, match='at least 24 x 24 pixels, got 30 x 23'):
        make()(torch.rand(1, 3, 23, 30, dtype=torch.float64))
    with pytest.raises(OptionError, match='Did you mean "conv3"'):
        make().features_at(torch.rand(1, 3, 24, 24, dtype=torch.float64), {'conv33': torch.tensor([0])})
    with pytest.raises(OptionError, match='at least 1'):
        CCLGANDiscriminator(width=0)


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16])
def test_logits_are_float32_in_half_precision(half):
    """A loss in fp16 overflows at the first scale of 65536, one in bfloat16 moves in steps of 1/256."""
    net = CCLGANDiscriminator(width=4)
    with torch.autocast('cpu', half):
        logits, levels = net.forward_features(torch.rand(1, 3, 32, 32))
    assert logits.dtype == torch.float32
    assert levels['conv3'].dtype == half
