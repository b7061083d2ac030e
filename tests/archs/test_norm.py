"""Instance norm: values and gradients are right for every batch size, memory format and dtype."""

import pytest
import torch
from torch.nn import functional as F

from cclgan_plugin.archs import norm
from cclgan_plugin.archs.norm import InstanceNorm, instance_norm

FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]


@pytest.fixture(params=['chosen', 'sums'])
def kernel(request, monkeypatch):
    """The kernel as it is chosen, and the one that only some layouts on CUDA devices need, here for all."""
    if request.param == 'sums':
        monkeypatch.setattr(norm, '_kernel', lambda x: 'sums')


def by_definition(x, eps=1e-5):
    mean = x.mean((2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean((2, 3), keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps)


@pytest.mark.usefixtures('kernel')
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('batch', [1, 2, 3])
@pytest.mark.parametrize('input_format', FORMATS)
@pytest.mark.parametrize('gradient_format', FORMATS)
def test_value_and_gradient_equal_the_definition(batch, input_format, gradient_format, device):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, 5, 6, 7, dtype=torch.float64, generator=generator).to(device)
    x = x.to(memory_format=FORMATS[input_format]).requires_grad_()
    upstream = torch.randn(batch, 5, 6, 7, dtype=torch.float64, generator=generator).to(device)
    upstream = upstream.to(memory_format=FORMATS[gradient_format])
    y, expected = instance_norm(x), by_definition(x)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    (expected_gradient,) = torch.autograd.grad(expected, x, upstream)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-11, atol=1e-11)


def test_gradient_of_sampled_patches():
    """The case that torch's own instance norm gets wrong: vectors sampled from a permuted map, batch 1."""
    x = torch.randn(1, 6, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def gradient(norm):
        leaf = x.clone().requires_grad_()
        vectors = norm(leaf).permute(0, 2, 3, 1).flatten(1, 2)[:, [3, 17, 40]]
        vectors.square().sum().backward()
        return leaf.grad

    expected = gradient(by_definition)
    torch.testing.assert_close(gradient(instance_norm), expected, rtol=1e-10, atol=1e-12)
    wrong = (gradient(F.instance_norm) - expected).norm() / expected.norm()
    if wrong < 1e-8:
        pytest.skip(f'torch {torch.__version__} no longer has the defect that this norm avoids')


@pytest.mark.parametrize('memory_format', FORMATS)
@pytest.mark.parametrize('batch', [1, 2])
def test_gradcheck_first_and_second_order(memory_format, batch):
    x = torch.randn(batch, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = x.to(memory_format=FORMATS[memory_format]).requires_grad_()
    assert torch.autograd.gradcheck(instance_norm, x)
    assert torch.autograd.gradgradcheck(instance_norm, x)


@pytest.mark.usefixtures('kernel')
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('memory_format', FORMATS)
@pytest.mark.parametrize('batch', [1, 2])
def test_keeps_dtype_and_memory_format(memory_format, batch, device):
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        x = torch.randn(batch, 4, 6, 6).to(device, dtype).to(memory_format=FORMATS[memory_format])
        y = InstanceNorm()(x)
        assert y.dtype == dtype
        assert y.is_contiguous(memory_format=FORMATS[memory_format])


@pytest.mark.usefixtures('kernel')
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('memory_format', FORMATS)
@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('slope', [1.0, 0.2, 0.0])
def test_autocast_does_not_widen(device, memory_format, batch, slope):
    x = torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(3)).to(device, torch.bfloat16)
    x = x.to(memory_format=FORMATS[memory_format]).requires_grad_()
    with torch.autocast(device, torch.bfloat16):
        y = instance_norm(x, slope=slope)
        assert y.dtype == instance_norm(x.detach(), slope=slope).dtype == torch.bfloat16
    assert torch.autograd.grad(y.sum(), x)[0].dtype == torch.bfloat16


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('slope', [1.0, 0.2, 0.0])
def test_compiled_code_has_the_same_gradient(device, slope):
    """With the rectifier in place, torch 2.11 took it for zero without a word."""
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).to(device)
    x.requires_grad_()

    def gradient(function):
        return torch.autograd.grad(function(x, slope=slope).sin().sum(), x)[0]

    torch._dynamo.reset()
    compiled = torch.compile(instance_norm, backend='eager')
    torch.testing.assert_close(gradient(compiled), gradient(instance_norm))
