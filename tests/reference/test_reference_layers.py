"""The layers against torch's own forms of them and against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from .layers import (
    blur_pool,
    blur_upsample,
    enlarge,
    instance_norm,
    l2_normalise,
    reflect_pad,
    transposed_conv,
)
from .samples import depthwise_blur, noise


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
    torch.testing.assert_close(blur_pool(x), depthwise_blur(x), rtol=1e-13, atol=1e-13)


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
