"""Two real processes: the same weights, gathered keys."""

import os

import torch
import torch.distributed as dist
from forked import needs_fork, run_ranks

from cclgan_plugin.losses.functional import patch_nce
from cclgan_plugin.losses.gather import gather_batches
from cclgan_plugin.training.distributed import broadcast_weights

pytestmark = needs_fork


def agree():
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    assert rank == int(os.environ['RANK'])

    torch.manual_seed(rank)
    net = torch.nn.Linear(3, 2)
    broadcast_weights([net])
    torch.manual_seed(0)
    assert torch.equal(net.weight, torch.nn.Linear(3, 2).weight)

    joined, mine = gather_batches(torch.full((2, 1), float(rank)))
    assert joined.flatten().tolist() == [0, 0, 1, 1]
    assert mine == 2 * rank

    # Global negatives: the mean over the ranks, values and gradients, is that of one process with both.
    generator = torch.Generator().manual_seed(5)
    query, key = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64).unbind(0)
    whole = query.clone().requires_grad_()
    patch_nce(whole, key, negatives='batch').backward()
    part = query[rank : rank + 1].clone().requires_grad_()
    loss = patch_nce(part, key[rank : rank + 1], negatives='global')
    loss.backward()
    total = loss.detach().clone()
    dist.all_reduce(total)
    torch.testing.assert_close(total / 2, patch_nce(query, key, negatives='batch'))
    torch.testing.assert_close(part.grad / 2, whole.grad[rank : rank + 1])
    dist.destroy_process_group()


def test_two_processes_agree(tmp_path):
    run_ranks(agree, 2, cwd=tmp_path)
