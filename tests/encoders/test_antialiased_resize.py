"""Two matrix products resize as PyTorch's antialiased bicubic kernel does, and keep few matrices."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cclgan_plugin.encoders.antialiased_resize import _MATRICES_KEPT, AntialiasedResize


@pytest.mark.parametrize('size', [(40, 56), (7, 30), (224, 5), (12, 16), (2, 3)])
def test_equals_the_kernel_of_pytorch(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    images.requires_grad_()
    found = AntialiasedResize(12, 16)(images)
    expected = F.interpolate(images, size=(12, 16), mode='bicubic', antialias=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    (found_gradient,) = torch.autograd.grad(found.square().sum(), images)
    (expected_gradient,) = torch.autograd.grad(expected.square().sum(), images)
    torch.testing.assert_close(found_gradient, expected_gradient, rtol=0, atol=1e-12)


def test_a_single_pixel_is_spread_evenly() -> None:
    image = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64).view(1, 3, 1, 1)
    assert torch.equal(AntialiasedResize(5, 4)(image), image.expand(1, 3, 5, 4))


def test_keeps_full_precision_under_autocast() -> None:
    images = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    resize = AntialiasedResize(8, 8)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(resize(images), AntialiasedResize(8, 8)(images))
        found = resize(images)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found.double(), resize(images.double()), rtol=0, atol=1e-6)


def test_many_sizes_do_not_fill_the_memory() -> None:
    resize = AntialiasedResize(4, 4)
    for size in range(3, 3 + 3 * _MATRICES_KEPT):
        resize(torch.rand(1, 3, size, size + 1))
    assert len(resize._matrices) == _MATRICES_KEPT
