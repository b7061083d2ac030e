"""Operations are counted where something is computed, and nowhere else."""

from __future__ import annotations

import torch

from benchmarks.op_count import OpCount


def test_views_and_allocations_are_free() -> None:
    x = torch.arange(12.0).view(3, 4)
    with OpCount() as ops:
        y = x.t()[:2].unsqueeze(0).expand(5, 2, 3).detach()
        torch.empty(3)
        torch.empty_like(x)
        assert ops.counts == {}
        y.reshape(30)
    # Reshaping what is expanded copies it.
    assert ops.counts == {'clone': 1}


def test_in_place_and_out_of_place_count_alike() -> None:
    x = torch.ones(3)
    with OpCount() as ops:
        x.add_(1)
        x + 1
        x.relu_()
    assert ops.counts == {'add_': 1, 'add': 1, 'relu_': 1}


def test_the_backward_pass_is_counted() -> None:
    x = torch.ones(3, requires_grad=True)
    with OpCount() as ops:
        (x * 2).sum().backward()
    # Forward mul and sum; the gradient of ones to start with, and its product.
    assert ops.counts == {'mul': 2, 'sum': 1, 'ones_like': 1}
