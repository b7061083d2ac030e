"""Resampling: blur kernels by their definition, and padding of any size."""

import pytest
import torch
from torch.nn import functional as F

from cclgan_plugin.archs.resample import BlurPool, BlurUpsample, pad_to_multiple


@pytest.mark.parametrize('size', [(2, 2), (5, 8), (9, 3)])
def test_blur_pool_is_the_121_kernel_on_a_reflected_image(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = BlurPool(3).double()(x)
    padded = F.pad(x, (1, 1, 1, 1), mode='reflect')
    weights = (1, 2, 1)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            expected = sum(
                weights[a] * weights[b] / 16 * padded[:, :, 2 * i + a, 2 * j + b]
                for a in range(3)
                for b in range(3)
            )
            torch.testing.assert_close(y[:, :, i, j], expected, rtol=1e-12, atol=1e-12)
    assert tuple(y.shape[2:]) == tuple((s + 1) // 2 for s in size)


def test_blur_upsample_is_the_1331_kernel():
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 4
    kernel = torch.outer(row, row).expand(2, 1, 4, 4)
    padded = F.pad(x, (1, 1, 1, 1), mode='replicate')
    expected = F.conv_transpose2d(padded, kernel, stride=2, padding=1, groups=2)[..., 2:-2, 2:-2]
    torch.testing.assert_close(BlurUpsample()(x), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize('size', [(1, 1), (1, 30), (2, 3), (7, 9), (8, 8), (33, 12)])
def test_padding_keeps_the_image_and_reaches_the_multiple(size):
    x = torch.rand(1, 3, *size)
    y = pad_to_multiple(x, 4, 8)
    assert torch.equal(y[..., : size[0], : size[1]], x)
    assert all(s % 4 == 0 and s >= 8 for s in y.shape[2:])
    assert all(s - old < 8 for s, old in zip(y.shape[2:], size, strict=True))


def test_padding_reflects_and_leaves_fitting_images_alone():
    x = torch.rand(1, 1, 6, 8)
    assert torch.equal(pad_to_multiple(x, 4, 8), F.pad(x, (0, 0, 0, 2), mode='reflect'))
    fitting = torch.rand(1, 1, 8, 12)
    assert pad_to_multiple(fitting, 4, 8) is fitting
