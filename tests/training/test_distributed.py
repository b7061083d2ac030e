"""Two real processes: the same weights, gathered keys."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import torch, torch.distributed as dist
from cclgan_plugin.losses.functional import patch_nce
from cclgan_plugin.losses.gather import gather_batches
from cclgan_plugin.training.distributed import broadcast_weights

dist.init_process_group('gloo')
rank = dist.get_rank()

torch.manual_seed(rank)
net = torch.nn.Linear(3, 2)
broadcast_weights([net])
expected = torch.nn.Linear(3, 2)
torch.manual_seed(0)
first = torch.nn.Linear(3, 2)
assert torch.equal(net.weight, first.weight)


joined, mine = gather_batches(torch.full((2, 1), float(rank)))
assert joined.flatten().tolist() == [0, 0, 1, 1] and mine == 2 * rank

# global negatives: the mean over the ranks, values and gradients, is that of one process with both batches
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
"""


def test_two_processes_agree(tmp_path):
    program = tmp_path / 'program.py'
    program.write_text(PROGRAM)
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', str(program)],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(root)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
