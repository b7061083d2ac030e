"""Gradients of two real processes: averaged, in any number of messages, whatever ran before."""

import pytest
import torch
from forked import needs_fork, run_ranks
from torch import nn

from cclgan_plugin.training import gradient_exchange
from cclgan_plugin.training.gradient_exchange import GradientExchange


def network():
    torch.manual_seed(0)
    # One layer is not used at all, one has other numbers, one is used twice.
    layers = {'a': nn.Linear(3, 4), 'b': nn.Linear(4, 4), 'unused': nn.Linear(2, 2), 'c': nn.Linear(4, 1)}
    return nn.ModuleDict(layers).double(), nn.Parameter(torch.ones(4))


def losses(nets, scale, batch):
    hidden = nets['b'](torch.tanh(nets['a'](batch))) * scale
    return torch.stack([nets['c'](hidden).mean(), nets['c'](nets['b'](hidden)).square().mean()])


def two_processes(message, parts):
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    gradient_exchange.MESSAGE = message
    nets, scale = network()
    parameters = [*nets.parameters(), scale]
    exchange = GradientExchange(parameters)
    whole = torch.randn(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for _ in range(2):
        for p in parameters:
            p.grad = None
        seen = torch.zeros(2, dtype=torch.float64)
        for number, batch in enumerate(whole.chunk(2)[rank].chunk(parts)):
            values = losses(nets, scale, batch) / parts
            seen += values.detach()
            if number == parts - 1:
                exchange.begin(seen)
            values.sum().backward()
        mean = exchange.finish()
    reference, other = network()
    expected = torch.stack([losses(reference, other, half) for half in whole.chunk(2)]).mean(0)
    expected.sum().backward()
    torch.testing.assert_close(mean, expected.detach())
    for p, q in zip(parameters, [*reference.parameters(), other], strict=True):
        torch.testing.assert_close(p.grad, torch.zeros_like(q) if q.grad is None else q.grad)
    torch.distributed.destroy_process_group()


@needs_fork
@pytest.mark.parametrize(('message', 'parts'), [(1, 1), (200, 1), (1 << 20, 1), (200, 2)])
def test_gradients_and_losses_are_averaged(tmp_path, message, parts):
    run_ranks(two_processes, 2, message, parts, cwd=tmp_path)


def test_one_process_needs_no_group():
    p = nn.Parameter(torch.zeros(2))
    exchange = GradientExchange([p])
    exchange.begin(torch.tensor([3.0]))
    (2 * p).sum().backward()
    assert exchange.finish().tolist() == [3.0]
    assert p.grad.tolist() == [2.0, 2.0]
