"""``--launcher slurm`` passes the node list to a shell.

In every release: ``scontrol show hostname $SLURM_NODELIST | head -n1`` is run as a shell line, and a
failing ``scontrol`` becomes the address of the master. May go when BasicSR asks without a shell.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace

__all__ = ['apply', 'needed']

#: Node lists look like ``gpu[01-04,07],login-1``; host names have letters, digits, dots and hyphens.
NODE_LIST = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.,\[\]-]*')
HOST_NAME = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]*')
DEFAULT_PORT = 29500


def read_slurm(environment: Mapping[str, str], port: int | None = None) -> dict[str, str]:
    """Translate what srun tells a task into what torchrun would tell a process.

    Args:
        environment: with ``SLURM_PROCID``, ``SLURM_NTASKS``, ``SLURM_LOCALID`` and ``SLURM_NODELIST``.
        port: where the processes meet; else ``MASTER_PORT`` of the environment, else one that follows from
            the number of the job, so that two jobs of one host do not meet.

    Returns:
        ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT``.

    Raises:
        OptionError: the process was not started by srun, or its node list cannot be resolved.
    """
    names = ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID', 'SLURM_NODELIST')
    missing = [name for name in names if name not in environment]
    if missing:
        raise OptionError(
            f'--launcher slurm: the environment variables {", ".join(missing)} are missing. '
            'Start the tasks with srun.'
        )
    return {
        'RANK': environment['SLURM_PROCID'],
        'WORLD_SIZE': environment['SLURM_NTASKS'],
        'LOCAL_RANK': environment['SLURM_LOCALID'],
        'MASTER_ADDR': first_host(environment['SLURM_NODELIST']),
        'MASTER_PORT': str(port or environment.get('MASTER_PORT') or _port_of(environment)),
    }


def _port_of(environment: Mapping[str, str]) -> int:
    job = environment.get('SLURM_JOB_ID', '')
    return 15_000 + int(job) % 14_000 if job.isdecimal() else DEFAULT_PORT


def first_host(node_list: str) -> str:
    """The first host of a Slurm node list, as ``scontrol`` expands it.

    Raises:
        OptionError: the list is no node list, or ``scontrol`` does not answer with host names.
    """
    if not NODE_LIST.fullmatch(node_list):
        raise OptionError(f'--launcher slurm: SLURM_NODELIST is no list of nodes: {node_list!r}')
    try:
        answer = subprocess.run(
            ['scontrol', 'show', 'hostnames', node_list],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OptionError(
            f'--launcher slurm: scontrol cannot expand the node list {node_list!r}: {error}'
        ) from error
    hosts = answer.stdout.split()
    if not hosts or not HOST_NAME.fullmatch(hosts[0]):
        raise OptionError(f'--launcher slurm: scontrol gave no host for {node_list!r} but {answer.stdout!r}')
    return hosts[0]


def apply() -> None:
    """Let BasicSR's own entry for Slurm, which other programs may call, go without a shell too."""
    from basicsr.utils import dist_util

    from cclgan_plugin.mends.distributed_start import init_dist

    def init_dist_slurm(backend: str, port: int | None = None) -> None:
        init_dist('slurm', backend, port)

    replace(dist_util._init_dist_slurm, init_dist_slurm)
