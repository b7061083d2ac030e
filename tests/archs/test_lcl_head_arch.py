"""The heads: built at once from declared channels, unit vectors out."""

import pytest
import torch
from basicsr.archs import build_network
from torch.nn import functional as F

from cclgan_plugin.archs import CCLGANGenerator, LCLHead
from cclgan_plugin.archs.unit_vectors import unit_vectors
from cclgan_plugin.errors import OptionError


def test_is_registered_and_takes_a_generators_channels():
    channels = CCLGANGenerator(width=2).feature_channels
    head = build_network({'type': 'LCLHead', 'channels': channels, 'dim': 5})
    assert [head.mlps[level][0].in_features for level in channels] == [4, 8, 8]
    assert sum(p.numel() for p in head.parameters()) == sum(c * 5 + 5 + 5 * 5 + 5 for c in channels.values())


def test_is_linear_relu_linear_and_unit_length():
    torch.manual_seed(0)
    head = LCLHead({'a': 3, 'body.2': 4}, dim=6).double()
    samples = {
        'a': torch.randn(2, 7, 3, dtype=torch.float64),
        'body.2': torch.randn(2, 7, 4, dtype=torch.float64),
    }
    out = head(samples)
    for level, mlp in zip(samples, head.mlps.values(), strict=True):
        expected = torch.relu(samples[level] @ mlp[0].weight.T + mlp[0].bias) @ mlp[2].weight.T + mlp[2].bias
        torch.testing.assert_close(out[level], F.normalize(expected, dim=-1))
        torch.testing.assert_close(out[level].norm(dim=-1), torch.ones(2, 7, dtype=torch.float64))


def test_only_the_levels_given_are_embedded():
    head = LCLHead({'a': 3, 'b': 4}, dim=6)
    assert list(head({'b': torch.randn(1, 2, 4)})) == ['b']


def test_wrong_options_are_named():
    with pytest.raises(OptionError, match='dim must be at least 1'):
        LCLHead({'a': 3}, dim=0)
    with pytest.raises(OptionError, match='no feature levels'):
        LCLHead({})
    with pytest.raises(OptionError, match=r'channels must map the names .* got \[8, 8\]'):
        LCLHead([8, 8])
    with pytest.raises(OptionError, match='channels of "a" must be at least 1, a whole number; got 0'):
        LCLHead({'a': 0})
    with pytest.raises(OptionError, match=r'not built for the level "body.3". Did you mean "body.2"[?]'):
        LCLHead({'body.2': 3}, dim=4)({'body.3': torch.randn(1, 2, 3)})


def test_a_dead_hidden_layer_does_not_blow_the_gradient_up():
    head = LCLHead({'a': 3}, dim=4)
    with torch.no_grad():
        head.mlps['a'][0].bias.fill_(-1e6)
    x = torch.randn(1, 2, 3, requires_grad=True)
    head({'a': x})['a'].sum().backward()
    assert torch.isfinite(x.grad).all()
    assert max(p.grad.abs().max() for p in head.parameters()) <= 2


def test_short_embeddings_are_stretched_too():
    # What a fresh head makes of a fresh narrow generator's features: 1e-7 and shorter.
    x = (
        torch.randn(2, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 1e-9
    ).requires_grad_()
    unit = unit_vectors(x)
    expected = F.normalize(x, dim=-1)
    torch.testing.assert_close(unit, expected)
    weights = torch.arange(80.0, dtype=torch.float64).view_as(x)
    found, true = (torch.autograd.grad((y * weights).sum(), x)[0] for y in (unit, expected))
    torch.testing.assert_close(found, true)


def test_gradients_of_unit_vectors_of_first_and_second_order():
    x = torch.randn(
        2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    assert torch.autograd.gradcheck(unit_vectors, x)
    assert torch.autograd.gradgradcheck(unit_vectors, x)


def test_embeddings_are_float32_under_autocast():
    with torch.autocast('cpu', torch.bfloat16):
        assert LCLHead({'a': 3}, dim=4)({'a': torch.randn(1, 2, 3)})['a'].dtype == torch.float32
