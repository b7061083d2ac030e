"""The generator: size, range, levels and number of parameters that the method page states."""

import weakref

import pytest
import torch
from basicsr.archs import build_network

from cclgan_plugin.archs import CCLGANGenerator
from cclgan_plugin.errors import OptionError

VARIANTS = [
    {},
    {'norm': 'none'},
    {'anti_alias': False},
    {'residual': True},
    {'residual': True, 'residual_channels': 1},
    {'norm': 'none', 'anti_alias': False, 'residual': True},
    {'skips': True},
    {'norm': 'none', 'anti_alias': False, 'residual': True, 'skips': True},
]


def test_is_registered_and_has_11_million_parameters():
    net = build_network({'type': 'CCLGANGenerator'})
    assert sum(p.numel() for p in net.parameters()) == 11_373_315


@pytest.mark.parametrize('options', VARIANTS)
@pytest.mark.parametrize('size', [(1, 1), (1, 9), (3, 2), (17, 30), (32, 40)])
def test_any_size_in_and_out_within_0_and_1(options, size):
    net = CCLGANGenerator(width=2, num_blocks=1, **options)
    y = net(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)))
    assert tuple(y.shape) == (2, 3, *size)
    assert 0 <= y.min() <= y.max() <= 1


@pytest.mark.parametrize('options', VARIANTS)
def test_levels_have_the_declared_channels_and_sizes(options):
    net = CCLGANGenerator(width=2, num_blocks=2, **options)
    x = torch.rand(1, 3, 18, 30)
    _, features = net.forward_features(x, net.feature_channels)
    assert list(features) == ['down1', 'down2', 'block1']
    for level, (height, width) in net.feature_sizes(18, 30).items():
        assert tuple(features[level].shape) == (1, net.feature_channels[level], height, width)


@pytest.mark.parametrize('options', VARIANTS)
def test_encode_equals_the_levels_of_the_whole_pass(options):
    torch.manual_seed(0)
    net = CCLGANGenerator(width=3, num_blocks=2, **options).double()
    x = torch.rand(2, 3, 20, 24, dtype=torch.float64)
    image, features = net.forward_features(x, net.feature_channels)
    torch.testing.assert_close(net(x), image)
    for levels in (['down1'], ['down2', 'down1'], ['block1'], list(net.feature_channels)):
        encoded = net.encode(x, levels)
        assert list(encoded) == levels
        for level in levels:
            torch.testing.assert_close(encoded[level], features[level], rtol=0, atol=0)


def test_encode_computes_nothing_behind_the_deepest_level():
    net = CCLGANGenerator(width=2, num_blocks=2)
    called = []
    for name, module in net.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.append(name))
    net.encode(torch.rand(1, 3, 16, 16), ['down1'])
    assert not [name for name in called if name.startswith(('down2', 'blocks', 'up', 'out'))]
    assert net.encode(torch.rand(1, 3, 16, 16), []) == {}


def test_biases_are_only_where_they_do_something():
    biased = {name for name, _ in CCLGANGenerator(width=2).named_parameters() if name.endswith('bias')}
    assert biased == {'down1.conv.bias', 'down2.conv.bias', 'out.conv.bias'}


def test_initial_weights_are_xavier_normal_with_gain_002():
    torch.manual_seed(0)
    weight = CCLGANGenerator(width=32).blocks[0].conv1.weight
    fan = 128 * 9
    assert weight.std().item() == pytest.approx(0.02 * (2 / (fan + fan)) ** 0.5, rel=0.01)


def test_gradients_of_a_fresh_generator_without_norms_do_not_vanish():
    # With the small gain that norms make up for they were 1e-12, below Adam's epsilon of 1e-8.
    torch.manual_seed(0)
    net = CCLGANGenerator(width=8, num_blocks=9, norm='none', residual=True)
    x = torch.rand(1, 3, 32, 32)
    (net(x) - x / 2).abs().mean().backward()
    gradients = {name: p.grad.abs().mean().item() for name, p in net.named_parameters()}
    assert min(gradients.values()) > 1e-6, gradients
    assert (net(x) - x).abs().max() < 0.05


def test_a_fresh_residual_generator_is_nearly_the_identity():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 16, 16)
    assert (CCLGANGenerator(width=4, num_blocks=1, residual=True)(x) - x).abs().max() < 0.05


def test_batch_does_not_mix_images():
    torch.manual_seed(0)
    net = CCLGANGenerator(width=2, num_blocks=1).double()
    x = torch.rand(3, 3, 12, 16, dtype=torch.float64)
    torch.testing.assert_close(net(x)[1:2], net(x[1:2]), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'norm': 'instanse'}, 'Did you mean "instance"'),
        ({'width': 0}, 'at least 1'),
        ({'num_blocks': 0}, 'at least 1'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        CCLGANGenerator(**options)


def test_an_unknown_level_lists_the_known_ones():
    with pytest.raises(OptionError, match=r'down1, down2, block1.*Did you mean "block1"'):
        CCLGANGenerator(width=2).encode(torch.rand(1, 3, 8, 8), ['blok1'])


def test_images_are_float32_under_autocast():
    net = CCLGANGenerator(width=2, num_blocks=1)
    with torch.autocast('cpu', torch.bfloat16):
        assert net(torch.rand(1, 3, 16, 16)).dtype == torch.float32


@pytest.mark.parametrize('anti_alias', [True, False])
def test_skips_add_the_encoder_to_the_decoder(anti_alias):
    torch.manual_seed(0)
    net = CCLGANGenerator(width=4, num_blocks=2, anti_alias=anti_alias, skips=True).double()
    x = torch.rand(1, 3, 20, 16, dtype=torch.float64)
    full = net.stem(x * 2 - 1)
    half = net.down1(full)
    y = net.blocks[1](net.blocks[0](net.down2(half)))
    expected = (net.out(net.up2(net.up1(y) + half) + full) + 1) / 2
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)
    features = net.encode(x, ['down1', 'block1'])
    assert set(features) == {'down1', 'block1'}


def test_one_residual_channel_changes_all_colours_alike():
    torch.manual_seed(0)
    net = CCLGANGenerator(width=4, num_blocks=1, residual=True, residual_channels=1)
    x = torch.rand(2, 3, 16, 16) * 0.2 + 0.4
    change = net(x) - x
    assert change.abs().max() > 1e-4
    torch.testing.assert_close(change, change.mean(1, keepdim=True).expand_as(change))


@pytest.mark.parametrize(('channels', 'residual'), [(1, False), (2, True)])
def test_residual_channels_are_three_or_one_of_a_residual(channels, residual):
    with pytest.raises(OptionError, match='residual_channels must be 3, or 1 together with residual: true'):
        CCLGANGenerator(width=4, num_blocks=1, residual=residual, residual_channels=channels)


def test_without_levels_the_maps_of_the_encoder_do_not_outlive_it():
    net = CCLGANGenerator(width=4, num_blocks=2).eval()
    maps, alive = [], []
    for part in (net.down1.conv, net.down2.conv, net.blocks[0]):
        part.register_forward_hook(lambda _, __, y: maps.append(weakref.ref(y)))
    net.out.register_forward_hook(lambda *_: alive.extend(ref() is not None for ref in maps))
    with torch.no_grad():
        net(torch.rand(1, 3, 16, 16))
        assert alive == [False] * 3
        net.forward_features(torch.rand(1, 3, 16, 16), ['down2'])
    assert alive[3:] == [False, False, False, False, True, False]
