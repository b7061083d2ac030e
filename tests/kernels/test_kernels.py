"""Every kernel against the same in float64 by PyTorch: on a card, or else in Triton's interpreter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

pytest.importorskip('triton')

from cclgan_plugin.kernels import bias, distances, norm, padding, resampling

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
DTYPES = {torch.float32: 1e-6, torch.bfloat16: 8e-3, torch.float16: 1e-3}
#: More than one tile of pixels; odd sides; few channels, and more than a tile's.
SHAPES = [(2, 3, 9, 7), (1, 8, 40, 30), (2, 20, 16, 11), (1, 300, 5, 6), (3, 64, 2, 2)]

dtypes = pytest.mark.parametrize('dtype', DTYPES, ids=str)
shapes = pytest.mark.parametrize('shape', SHAPES, ids=str)


def images(shape: tuple[int, ...], dtype: torch.dtype, seed: int, mean: float = 0.0) -> Tensor:
    """Channels-last; like the output of a convolution, not centred."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + mean
    return x.to(DEVICE, dtype).contiguous(memory_format=torch.channels_last)


def is_near(found: Tensor, exact: Tensor, dtype: torch.dtype) -> None:
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.shape == exact.shape
    length = exact.norm().clamp_min(1e-12)
    assert ((found.double() - exact).norm() / length).item() < DTYPES[dtype]


def definition(x: Tensor, slope: float) -> Tensor:
    centred = x - x.mean((2, 3), keepdim=True)
    y = centred * torch.rsqrt(centred.square().mean((2, 3), keepdim=True) + 1e-5)
    return torch.where(y > 0, y, y * slope)


@dtypes
@shapes
@pytest.mark.parametrize('slope', [1.0, 0.0, 0.2])
def test_norm(shape: tuple[int, ...], dtype: torch.dtype, slope: float) -> None:
    x, grad = images(shape, dtype, 1, mean=3.0), images(shape, dtype, 2, mean=0.5)
    exact = x.double().requires_grad_()
    y = definition(exact, slope)
    (exact_gradient,) = torch.autograd.grad(y, exact, grad.double())
    found, mean, rstd = norm.normalise(x, 1e-5, slope)
    is_near(found, y.detach(), dtype)
    torch.testing.assert_close(mean, x.double().mean((2, 3), keepdim=True).float(), rtol=1e-5, atol=1e-5)
    is_near(norm.normalise_backward(grad, x, mean, rstd, slope), exact_gradient, dtype)


def test_norm_of_what_hardly_varies() -> None:
    """A sum of squares would have nothing left of a deviation of 0.01 around 1,000."""
    x = images((2, 16, 40, 30), torch.float32, 3) * 0.01 + 1000
    found, _, _ = norm.normalise(x, 1e-5, 1.0)
    exact = x.double()
    torch.testing.assert_close(found.double(), definition(exact, 1.0), rtol=0, atol=0.02)


def test_norm_of_a_constant_is_zero() -> None:
    x = torch.full((1, 8, 6, 6), 3.3, device=DEVICE).contiguous(memory_format=torch.channels_last)
    assert not norm.normalise(x, 1e-5, 0.0)[0].any()


@dtypes
@shapes
@pytest.mark.parametrize('sides', [(1, 1, 1, 1), (0, 1, 1, 0)], ids=str)
def test_padding(
    shape: tuple[int, int, int, int], dtype: torch.dtype, sides: tuple[int, int, int, int]
) -> None:
    compare_linear(
        shape,
        dtype,
        lambda x: F.pad(x, sides, mode='reflect'),
        lambda x: padding.pad(x, sides),
        lambda grad: padding.pad_backward(grad, shape, sides),
    )


@dtypes
@pytest.mark.parametrize('sides', [(3, 3, 3, 3), (6, 2, 0, 8)], ids=str)
def test_wide_padding(dtype: torch.dtype, sides: tuple[int, int, int, int]) -> None:
    test_padding((2, 5, 9, 7), dtype, sides)


@dtypes
@shapes
def test_halving(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    row = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64, device=DEVICE) / 4

    def exact(x: Tensor) -> Tensor:
        kernel = torch.outer(row, row).expand(shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode='reflect'), kernel, stride=2, groups=shape[1])

    compare_linear(shape, dtype, exact, resampling.halve, lambda grad: resampling.halve_backward(grad, shape))


@dtypes
@shapes
def test_doubling(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    def exact(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)

    compare_linear(
        shape, dtype, exact, resampling.double, lambda grad: resampling.double_backward(grad, shape)
    )


def compare_linear(shape, dtype, exact, there, back) -> None:
    x = images(shape, dtype, 4, mean=1.0)
    wide = x.double().requires_grad_()
    y = exact(wide)
    grad = images(tuple(y.shape), dtype, 5, mean=1.0)
    (exact_gradient,) = torch.autograd.grad(y, wide, grad.double())
    is_near(there(x), y.detach(), dtype)
    is_near(back(grad), exact_gradient, dtype)
    # A gradient may come in any layout.
    is_near(back(grad.contiguous()), exact_gradient, dtype)


@dtypes
@shapes
@pytest.mark.parametrize('slope', [1.0, 0.0, 0.2])
def test_bias(shape: tuple[int, ...], dtype: torch.dtype, slope: float) -> None:
    x, grad = images(shape, dtype, 9), images(shape, dtype, 10, mean=0.5)
    own = images((1, shape[1], 1, 1), torch.float32, 11).flatten().requires_grad_()
    wide, exact_bias = x.double().requires_grad_(), own.detach().double().requires_grad_()
    y = wide + exact_bias.view(1, -1, 1, 1)
    y = torch.where(y > 0, y, y * slope)
    exact = torch.autograd.grad(y, (wide, exact_bias), grad.double())
    leaf = x.clone().requires_grad_()
    found = bias.biased(leaf * 1, own, slope)
    is_near(found.detach(), y.detach(), dtype)
    gradient, of_bias = torch.autograd.grad(found, (leaf, own), grad)
    is_near(gradient, exact[0], dtype)
    torch.testing.assert_close(of_bias.double(), exact[1], rtol=DTYPES[dtype], atol=4 * DTYPES[dtype])


@dtypes
@shapes
def test_distances(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    a, b = images(shape, dtype, 6, mean=2.0), images(shape, dtype, 7, mean=2.0)
    b[0, 0] = a[0, 0]
    scale = torch.rand(shape[0], generator=torch.Generator().manual_seed(8)).to(DEVICE)
    exact = (a.double() - b.double()).abs().flatten(1).mean(1)
    torch.testing.assert_close(distances.mean_differences(a, b).double(), exact, rtol=1e-5, atol=1e-7)
    signs = (a.double() - b.double()).sign() * scale.double().view(-1, 1, 1, 1)
    is_near(distances.signs(a, b, scale), signs, dtype)
    assert not distances.signs(a, b, scale)[0, 0].any()


def test_distances_of_what_is_no_number() -> None:
    a = torch.full((1, 4, 8), float('nan'), device=DEVICE)
    b = torch.zeros((1, 4, 8), device=DEVICE)
    assert distances.mean_differences(a, b).isnan().all()
    assert distances.signs(a, b, torch.ones(1, device=DEVICE)).isnan().all()
