"""``--launcher pytorch``: integer modulo by zero without a GPU; NCCL only; the first batch of each epoch
waits 2.6 to 16 s for its data; the process group is never taken down.

In every release: ``init_dist`` takes the GPU ``rank % 0``, knows no other backend than NCCL for
torchrun, and makes every worker process a spawned one, which imports everything anew. May go when
BasicSR starts on ``LOCAL_RANK`` and leaves the start method alone.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from datetime import timedelta

import torch
import torch.distributed as dist

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace
from cclgan_plugin.mends.slurm_start import read_slurm

__all__ = ['abandon', 'after_join', 'apply', 'init_dist', 'leave', 'needed']

#: What torchrun tells each process it starts.
RENDEZVOUS = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')

#: Called in every process once all have met.
after_join: list[Callable[[], None]] = []


def init_dist(
    launcher: str,
    backend: str = 'nccl',
    port: int | None = None,
    timeout: timedelta | None = None,
) -> None:
    """Join the processes that the launcher started.

    Each process takes the GPU of its local rank. NCCL needs GPUs; without any, gloo takes its place.

    Args:
        launcher: ``pytorch`` (torchrun) or ``slurm`` (srun).
        backend: of ``torch.distributed``.
        port: where the processes meet, for slurm; torchrun chooses its own.
        timeout: how long a collective operation may wait; torch's default if None.

    Raises:
        OptionError: the process was not started by that launcher, or there are more processes than GPUs.
    """
    if launcher == 'slurm':
        os.environ.update(read_slurm(os.environ, port))
    elif launcher != 'pytorch':
        raise OptionError(f'--launcher {launcher}: pytorch, slurm or none is expected.')
    missing = [name for name in RENDEZVOUS if name not in os.environ]
    if missing:
        raise OptionError(
            f'--launcher pytorch: the environment variables {", ".join(missing)} are missing. Start the '
            'processes with torchrun, for instance: torchrun --nproc_per_node=2 -m cclgan_plugin train '
            '-opt FILE --launcher pytorch'
        )
    if torch.cuda.is_available():
        local_rank, num_gpus = int(os.environ['LOCAL_RANK']), torch.cuda.device_count()
        if launcher == 'slurm' and num_gpus == 1:
            local_rank = 0  # srun may show each task its own card alone
        if local_rank >= num_gpus:
            raise OptionError(
                f'{local_rank + 1} or more processes were started on a machine with {num_gpus} GPU(s); '
                'start one for each GPU.'
            )
        torch.cuda.set_device(local_rank)
    elif backend == 'nccl':
        backend = 'gloo'
    try:
        dist.init_process_group(backend=backend, timeout=timeout)
    except dist.DistNetworkError as error:
        if 'EADDRINUSE' not in str(error):
            raise
        place = f'{os.environ["MASTER_PORT"]} is in use on {os.environ["MASTER_ADDR"]}'
        raise OptionError(f'dist_params.port: {place}, perhaps by another run; choose another one') from error
    atexit.register(leave)
    for call in after_join:
        call()


def leave() -> None:
    """Take the process group down when the program ends.

    Left to the interpreter's own end, gloo's threads now and then abort the process (exit code 134).
    """
    if dist.is_initialized() and not hasattr(sys, 'last_value'):
        dist.destroy_process_group()


def abandon() -> None:
    """End without taking the process group down, after an error that was not left to Python to report.

    The other processes may be waiting inside a collective operation; taking the group down would wait for
    them, while the launcher ends them as soon as this process is gone.
    """
    atexit.unregister(leave)


def apply() -> None:
    """Start distributed runs through :func:`init_dist`."""
    from basicsr.utils import dist_util

    replace(dist_util.init_dist, init_dist)
