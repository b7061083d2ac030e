"""Products of bfloat16 in float32 are those of the instructions, to a rounding."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from benchmarks.bf16_products import Bf16Products

#: The distance of neighbouring bfloat16 numbers, relative to them, is at most twice this.
ROUNDING = 2**-8

Product = Callable[[Tensor, Tensor], Tensor]


def _results(product: Product, tensors: list[Tensor], inside: bool) -> list[Tensor]:
    """The product and its gradients."""
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    with Bf16Products() if inside else nullcontext():
        result = product(*leaves)
        return [result, *torch.autograd.grad(result.sum(), leaves)]


@pytest.mark.parametrize(
    'product',
    [
        lambda x, weight: F.conv2d(x, weight.view(4, 3, 2, 2), stride=2),
        lambda x, weight: x.reshape(-1, 12) @ weight.T,
        lambda x, weight: F.linear(x.reshape(-1, 12), weight, weight[:, 0]),
        lambda x, weight: x.reshape(2, -1, 12).bmm(weight.T.expand(2, 12, 4)),
    ],
    ids=['convolution', 'product', 'linear', 'batched'],
)
def test_forward_and_backward(product: Product) -> None:
    generator = Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=generator).bfloat16() for shape in ((2, 3, 8, 8), (4, 12))]
    exact = _results(product, [tensor.double() for tensor in tensors], inside=False)
    native = _results(product, tensors, inside=False)
    ours = _results(product, tensors, inside=True)
    for one, two, truth in zip(ours, native, exact, strict=True):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one.double(), truth, rtol=ROUNDING, atol=1e-5)
        torch.testing.assert_close(one, two, rtol=2 * ROUNDING, atol=1e-5)


def test_other_types_are_left_alone() -> None:
    x, weight = torch.randn(2, 3, 5, 5), torch.randn(4, 3, 2, 2)
    with Bf16Products():
        inside = F.conv2d(x, weight)
        assert (x.bfloat16() + 1).dtype == torch.bfloat16
    assert torch.equal(inside, F.conv2d(x, weight))
