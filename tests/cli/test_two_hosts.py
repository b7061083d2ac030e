"""Two hosts that meet through torchrun's c10d rendezvous: network namespaces, or else one machine."""

import os
import shutil
import subprocess
import sys
import uuid

import pytest
from forked import free_port, needs_fork
from tiny_run import ROOT
from whole_runs import load, prepare, same, train

LAUNCH = ('-m', 'torch.distributed.run', '--nnodes=2', '--nproc_per_node=1', '--rdzv_backend=c10d')


def ip(*words):
    return subprocess.run(['ip', *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def hosts():
    """(words before a command, its address, more environment) of two hosts."""
    name = uuid.uuid4().hex[:6]
    spaces = [f'host{name}{i}' for i in (0, 1)]
    cards = [f'v{name}{i}' for i in (0, 1)]
    made = shutil.which('ip') and all(ip('netns', 'add', space) for space in spaces)
    made = made and ip('link', 'add', cards[0], 'type', 'veth', 'peer', 'name', cards[1])
    found = []
    for i, (space, card) in enumerate(zip(spaces, cards, strict=True)):
        inside = ('netns', 'exec', space, 'ip')
        made = made and ip('link', 'set', card, 'netns', space)
        made = made and ip(*inside, 'addr', 'add', f'10.99.77.{i + 1}/24', 'dev', card)
        made = made and ip(*inside, 'link', 'set', card, 'up') and ip(*inside, 'link', 'set', 'lo', 'up')
        found.append((['ip', 'netns', 'exec', space], f'10.99.77.{i + 1}', {'GLOO_SOCKET_IFNAME': card}))
    yield found if made else [([], '127.0.0.1', {})] * 2
    for space in spaces:
        ip('netns', 'del', space)


@needs_fork
def test_two_hosts_learn_what_two_processes_of_one_learn(hosts, tmp_path):
    changes = {'datasets__train__batch_size_per_gpu': 1, 'train__total_iter': 2, 'val': None}
    for name in ('hosts', 'one'):
        prepare(tmp_path / name, **changes, logger__keep_best=None, logger__save_checkpoint_freq=2)
    endpoint = f'{hosts[0][1]}:{free_port()}'
    running = []
    for i, (before, address, more) in enumerate(hosts):
        # torchrun guesses by the host's name whether the meeting point is here; in a namespace it is wrong.
        rendezvous = (f'--rdzv_endpoint={endpoint}', '--rdzv_id=7', f'--rdzv_conf=is_host={int(i == 0)}')
        words = (*LAUNCH, *rendezvous, f'--local_addr={address}')
        train_words = ('-m', 'cclgan_plugin', 'train', '-opt', 'tiny.yml', '--launcher', 'pytorch')
        running.append(
            subprocess.Popen(
                [*before, sys.executable, *words, *train_words],
                cwd=tmp_path / 'hosts',
                env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT), **more},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [process.communicate(timeout=240)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], '\n'.join(o[-3000:] for o in outputs)
    assert sum(output.count('Start training from epoch') for output in outputs) == 1
    train(tmp_path / 'one', 2)
    hosts_state, one_state = (
        load(tmp_path / name / 'experiments/tiny/training_states/2.state') for name in ('hosts', 'one')
    )
    assert hosts_state['networks'] == one_state['networks']
    assert same(hosts_state, one_state)
