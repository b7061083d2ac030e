"""Pads, frozen convolutions and blurs equal PyTorch's own, and hold nothing that they do not need."""

import pytest
import torch
from torch.nn import functional as F

from cclgan_plugin.archs import frozen_conv
from cclgan_plugin.archs.frozen_conv import FrozenAwareConv2d, frozen_conv2d
from cclgan_plugin.archs.norm import instance_norm
from cclgan_plugin.archs.reflection_pad import ReflectionPad2d, reflection_pad
from cclgan_plugin.archs.resample import BlurPool
from cclgan_plugin.losses.functional import mean_distance

FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


def sample(*shape, seed=0, memory_format='contiguous'):
    x = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x.to(memory_format=FORMATS[memory_format]).requires_grad_()


def frozen(*arguments, **options):
    conv = FrozenAwareConv2d(*arguments, **options).double()
    return conv.requires_grad_(False)


CASES = {
    'pad': (lambda x: reflection_pad(x, (1, 2, 3, 0)), lambda x: F.pad(x, (1, 2, 3, 0), mode='reflect')),
    'pad module': (ReflectionPad2d(2), torch.nn.ReflectionPad2d(2)),
    'blur': (BlurPool(4).double(), lambda x: _blur(x)),
    'leaky norm': (lambda x: instance_norm(x, slope=0.2), lambda x: F.leaky_relu(_norm(x), 0.2)),
    'rectified norm': (lambda x: instance_norm(x, slope=0.0), lambda x: F.relu(_norm(x))),
}


def _blur(x):
    row = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype) / 4
    kernel = torch.outer(row, row).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode='reflect'), kernel, stride=2, groups=x.shape[1])


def _norm(x):
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize('gradient_format', FORMATS)
@pytest.mark.parametrize('memory_format', FORMATS)
@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('case', CASES)
def test_value_and_gradient_are_those_of_the_definition(case, batch, memory_format, gradient_format):
    ours, definition = CASES[case]
    x = sample(batch, 4, 6, 7, memory_format=memory_format)
    y, expected = ours(x), definition(x)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    upstream = sample(*y.shape, seed=1, memory_format=gradient_format).detach()
    (gradient,), (right,) = (torch.autograd.grad(out, x, upstream) for out in (y, expected))
    torch.testing.assert_close(gradient, right, rtol=1e-10, atol=1e-11)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('case', CASES)
def test_second_gradients(case):
    ours, _ = CASES[case]
    x = sample(1, 4, 4, 3)
    assert torch.autograd.gradgradcheck(ours, x)


GEOMETRIES = [
    {},
    {'stride': 2, 'padding': 1},
    {'groups': 2, 'bias': False},
    {'padding': (0, 2), 'dilation': 2},
]


def test_a_result_too_large_for_the_kernels_is_left_to_pytorch(monkeypatch):
    """Few channels go in and many come out; without a card the kernels would fail here."""
    monkeypatch.setattr(frozen_conv, 'fits', lambda x: True)
    monkeypatch.setattr(frozen_conv, 'MOST_NUMBERS', 100)
    conv, x = FrozenAwareConv2d(1, 5, 1, slope=0), torch.randn(1, 1, 5, 5)
    torch.testing.assert_close(conv(x), F.relu(F.conv2d(x, conv.weight, conv.bias)))


@pytest.mark.parametrize('geometry', GEOMETRIES, ids=str)
def test_a_frozen_convolution_is_a_convolution(geometry):
    conv = frozen(4, 6, 3, **geometry)
    x = sample(2, 4, 8, 9)
    expected = torch.nn.functional.conv2d(
        x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups
    )
    y = conv(x)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    upstream = sample(*y.shape, seed=1).detach()
    (gradient,), (right,) = (torch.autograd.grad(out, x, upstream) for out in (y, expected))
    torch.testing.assert_close(gradient, right, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradgradcheck(conv, sample(1, 4, 5, 6))


def test_a_convolution_that_learns_learns():
    conv = FrozenAwareConv2d(2, 3, 3).double()
    conv(sample(1, 2, 5, 5)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in conv.parameters())


def held(function, x):
    """Shapes that the graph of ``function(x)`` holds for its backward pass."""
    shapes = []

    def pack(tensor):
        shapes.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function(x)
    return shapes


def test_only_what_is_needed_is_held():
    x = sample(1, 4, 8, 8)
    weight = torch.randn(4, 4, 3, 3, dtype=torch.float64)
    assert held(lambda x: reflection_pad(x, (1, 1, 1, 1)), x) == []
    assert held(BlurPool(4).double(), x) == [(4, 1, 3, 3)]
    assert held(lambda x: frozen_conv2d(x, weight), x) == [(4, 4, 3, 3)]
    assert held(lambda x: instance_norm(x, slope=0.0), x).count((1, 4, 8, 8)) == 1
    assert held(lambda x: mean_distance(x, x.detach()), x) == [(1, 4, 8, 8)] * 2


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_leaves_pads_and_blurs_in_half_precision(dtype):
    x = torch.randn(1, 4, 8, 8, dtype=dtype, requires_grad=True)
    with torch.autocast('cpu', dtype):
        for function in (ReflectionPad2d(1), BlurPool(4), lambda x: instance_norm(x, slope=0.0)):
            y = function(x)
            assert y.dtype == dtype
            y.float().sum().backward()
            assert x.grad.dtype == dtype
