"""Starting and leaving a distributed run: on CPUs too, by torchrun's environment, and without a shell on
Slurm.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import dist_util
from torch import nn

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import distributed_start, slurm_start

ROOT = Path(__file__).parents[2]

TWO_PROCESSES = """
import multiprocessing, sys
import torch, torch.distributed as dist
from torch import nn
import cclgan_plugin
from basicsr.models.base_model import BaseModel
from basicsr.utils.dist_util import get_dist_info, init_dist

init_dist('pytorch', backend='nccl')
rank, world = get_dist_info()
assert (world, dist.get_backend()) == (2, 'gloo')
assert multiprocessing.get_start_method(allow_none=True) is None

model = BaseModel({'num_gpu': 0, 'dist': True, 'is_train': True, 'world_size': world, 'rank': rank})
torch.manual_seed(rank)
net = model.model_to_device(nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)))
assert not net.broadcast_buffers
batch = torch.full((4, 2), float(rank + 1)) + torch.randn(4, 2)
(net(batch) + net(2 * batch)).sum().backward()
gradient = net.module[0].weight.grad.clone()
both = [torch.zeros_like(gradient) for _ in range(world)]
dist.all_gather(both, gradient)
assert torch.equal(both[0], both[1])
frozen = nn.Linear(1, 1).requires_grad_(False)
assert model.model_to_device(frozen) is frozen
# As when the pipeline returns: a wrapped network would keep the group alive after it has been taken down.
del net, model
print('fine')
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def test_two_processes_train_together_on_a_cpu() -> None:
    port = str(free_port())
    environment = {
        **os.environ,
        'CUDA_VISIBLE_DEVICES': '',
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': str(ROOT),
        'WORLD_SIZE': '2',
        'MASTER_ADDR': '127.0.0.1',
        'MASTER_PORT': port,
    }
    processes = [
        subprocess.Popen(
            [sys.executable, '-c', TWO_PROCESSES],
            env={**environment, 'RANK': rank, 'LOCAL_RANK': rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ('0', '1')
    ]
    for process in processes:
        out, err = process.communicate(timeout=300)
        # Up to PyTorch 2.10 at least, gloo tells there that it is connected.
        said = [line for line in out.splitlines() if not line.startswith('[Gloo]')]
        assert (process.returncode, said) == (0, ['fine']), err
        assert 'destroy_process_group' not in err


def test_without_the_mend_a_cpu_has_no_distributed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('RANK', '0')
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    monkeypatch.setattr('torch.multiprocessing.get_start_method', lambda allow_none: 'fork')
    with pytest.raises(ZeroDivisionError):
        dist_util.init_dist.unmended('pytorch')


def test_a_process_that_no_launcher_started_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in distributed_start.RENDEZVOUS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        OptionError, match=r'RANK, WORLD_SIZE.*are missing\. Start the processes with torchrun'
    ):
        dist_util.init_dist('pytorch')
    with pytest.raises(OptionError, match=r'SLURM_PROCID.*Start the tasks with srun'):
        dist_util.init_dist('slurm')
    with pytest.raises(OptionError, match='--launcher mpi'):
        dist_util.init_dist('mpi')


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in distributed_start.RENDEZVOUS:
        monkeypatch.setenv(name, '2')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with pytest.raises(OptionError, match='3 or more processes were started on a machine with 2 GPU'):
        dist_util.init_dist('pytorch')


def test_a_task_of_srun_that_sees_its_own_card_alone_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, joined = [], []
    rendezvous = {
        'RANK': '1',
        'WORLD_SIZE': '2',
        'LOCAL_RANK': '1',
        'MASTER_ADDR': 'here',
        'MASTER_PORT': '7',
    }
    monkeypatch.setattr(distributed_start, 'read_slurm', lambda environment, port: rendezvous)
    for name, value in rendezvous.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'set_device', taken.append)
    monkeypatch.setattr(distributed_start.atexit, 'register', lambda function: None)
    monkeypatch.setattr(distributed_start.dist, 'init_process_group', lambda **words: joined.append(words))
    dist_util.init_dist('slurm')
    assert taken == [0]
    assert joined[0]['backend'] == 'nccl'

    def taken_already(**words: Any) -> None:
        raise torch.distributed.DistNetworkError('The server socket has failed to listen: EADDRINUSE')

    monkeypatch.setattr(distributed_start.dist, 'init_process_group', taken_already)
    with pytest.raises(OptionError, match=r'dist_params\.port: 7 is in use on here'):
        dist_util.init_dist('slurm')


def test_start_method_is_left_alone() -> None:
    assert multiprocessing.get_start_method(allow_none=True) in (None, 'fork', 'forkserver')


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Slurm's program that answers with two hosts, and notes what it was asked."""
    program = tmp_path / 'scontrol'
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho gpu01\necho gpu02\n')
    program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    return tmp_path


SLURM = {'SLURM_PROCID': '3', 'SLURM_NTASKS': '4', 'SLURM_LOCALID': '1', 'SLURM_NODELIST': 'gpu[01-02]'}


def test_slurm_is_translated_for_torch(scontrol: Path) -> None:
    expected = {
        'RANK': '3',
        'WORLD_SIZE': '4',
        'LOCAL_RANK': '1',
        'MASTER_ADDR': 'gpu01',
        'MASTER_PORT': '29500',
    }
    assert slurm_start.read_slurm(SLURM) == expected
    assert (scontrol / 'asked').read_text().strip() == 'show hostnames gpu[01-02]'
    assert slurm_start.read_slurm({**SLURM, 'MASTER_PORT': '7'})['MASTER_PORT'] == '7'
    # Two jobs may share their first host.
    ports = [
        slurm_start.read_slurm({**SLURM, 'SLURM_JOB_ID': job})['MASTER_PORT'] for job in ('70001', '70002')
    ]
    assert ports == ['15001', '15002']
    assert slurm_start.read_slurm({**SLURM, 'MASTER_PORT': '7'}, port=8)['MASTER_PORT'] == '8'


def test_slurm_node_list_is_no_shell_line(scontrol: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = f'x; touch {scontrol}/pwned'
    with pytest.raises(OptionError, match='SLURM_NODELIST is no list of nodes'):
        slurm_start.read_slurm({**SLURM, 'SLURM_NODELIST': attack})
    assert not (scontrol / 'pwned').exists()
    for name, value in {**SLURM, 'SLURM_NODELIST': attack}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'set_device', lambda device: None)
    monkeypatch.setattr(dist_util.dist, 'init_process_group', lambda backend: None)
    for name in ('MASTER_ADDR', 'MASTER_PORT', 'WORLD_SIZE', 'LOCAL_RANK', 'RANK'):
        monkeypatch.setenv(name, '')  # the original overwrites these for good
    dist_util._init_dist_slurm.unmended('nccl')
    assert (scontrol / 'pwned').exists()


def test_slurm_that_does_not_answer_is_an_error(scontrol: Path) -> None:
    (scontrol / 'scontrol').write_text('#!/bin/sh\nexit 1\n')
    with pytest.raises(OptionError, match='scontrol cannot expand the node list'):
        slurm_start.first_host('gpu01')
    (scontrol / 'scontrol').write_text('#!/bin/sh\necho "error: oops"\n')
    with pytest.raises(OptionError, match='scontrol gave no host'):
        slurm_start.first_host('gpu01')


def test_one_process_keeps_its_networks_bare() -> None:
    model = BaseModel({'num_gpu': 0, 'dist': False, 'is_train': True})
    net = nn.Linear(1, 1)
    assert model.model_to_device(net) is net
