"""What the graphs hold: each piece of memory once, weights never, and nothing after it was given back."""

from __future__ import annotations

import gc

import torch
from torch import nn

from benchmarks.saved_activations import SavedActivations


def test_memory_that_several_nodes_hold_counts_once() -> None:
    x = torch.ones(100, requires_grad=True)
    account = SavedActivations([x])
    with account.watch():
        y = x * 2
        z = (y.view(10, 10) * y.view(10, 10)).exp()
    # y, held twice through views, and the result of exp.
    assert account.total == 2 * 400
    assert account.by_node([z]) == {'ExpBackward': 400, 'MulBackward': 400}


def test_memory_that_different_nodes_hold_is_named_after_all() -> None:
    x = torch.ones(100, requires_grad=True)
    account = SavedActivations([x])
    with account.watch():
        y = (x * 2).relu()
        z = y * y
    assert account.by_node([z]) == {'MulBackward + ReluBackward': 400}


def test_weights_are_no_activations() -> None:
    layer = nn.Linear(10, 20)
    account = SavedActivations(layer.parameters())
    with account.watch():
        # The gradient of the input needs the weight (a view of it), that of the weight the input.
        y = layer(torch.ones(3, 10, requires_grad=True))
    assert account.by_node([y]) == {'AddmmBackward': 3 * 10 * 4}


def test_nothing_is_held_without_gradient() -> None:
    account = SavedActivations([])
    with account.watch(), torch.no_grad():
        nn.Linear(4, 4)(torch.ones(2, 4)).exp()
    assert account.total == account.peak == 0


def test_a_backward_pass_gives_back() -> None:
    x = torch.ones(100, requires_grad=True)
    account = SavedActivations([x])
    with account.watch():
        y = (x * 2).exp().sum()
    assert account.total == 400
    y.backward()
    assert account.total == 0
    assert account.sizes == {}
    assert account.peak == 400


def test_a_graph_that_nobody_keeps_gives_back_at_once() -> None:
    x = torch.ones(100, requires_grad=True)
    account = SavedActivations([x])
    gc.disable()
    try:
        with account.watch():
            x.exp()
            y = x.exp()
    finally:
        gc.enable()
    assert (account.total, account.peak) == (400, 400)
    del y
    assert account.total == 0


def test_gradients_are_those_without_watching() -> None:
    x = torch.rand(5, requires_grad=True)
    with SavedActivations([x]).watch():
        y = (x.exp() * x).tanh().sum()
    (watched,) = torch.autograd.grad(y, x)
    (plain,) = torch.autograd.grad((x.exp() * x).tanh().sum(), x)
    assert torch.equal(watched, plain)
