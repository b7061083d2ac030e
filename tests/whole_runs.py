"""Runs of the real command in forked processes, and the comparison of what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from forked import command, finish, run_ranks, start
from tiny_run import write_data, write_options

#: Everything that a state has to carry: image pools, averages, random flips, validation, epochs of 2.
OPTIONS: dict[str, Any] = {
    'train__total_iter': 7,
    'train__pool_size': 3,
    'train__scheduler': {'type': 'LinearDecayLR', 'decay_start': 3, 'decay_end': 50},
    'val__val_freq': 2,
    'logger__save_checkpoint_freq': 7,
    'logger__keep_best': 'psnr',
    'deterministic': True,
}


def prepare(folder: Path, **changes: Any) -> Path:
    """A folder with data and options; ``changes`` as in ``tiny_options``."""
    write_data(folder / 'data')
    write_options(folder, **{**OPTIONS, **changes})
    return folder


def before_iteration(iteration: int, act: Callable[[], object]) -> None:
    """Let this process do something as an iteration of its training begins."""
    from basicsr.models.sr_model import SRModel

    from cclgan_plugin.models.cclgan_model import CCLGANModel

    # Neither calls the other's.
    for owner in (CCLGANModel, SRModel):
        _act_before(owner, iteration, act)


def _act_before(owner: Any, iteration: int, act: Callable[[], object]) -> None:
    optimize = owner.optimize_parameters

    def optimize_parameters(self: Any, current_iter: int) -> None:
        if current_iter == iteration:
            act()
        optimize(self, current_iter)

    owner.optimize_parameters = optimize_parameters


def train_and_signal(numbers: tuple[int, ...], iteration: int, *arguments: str) -> int:
    """The command, which sends itself signals as an iteration begins."""

    def signal_itself() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    before_iteration(iteration, signal_itself)
    return command(*arguments)


def train_and_signal_all(number: int, iteration: int, *arguments: str) -> int:
    """The command, in a group of processes of its own, all of which get a signal as an iteration begins."""

    def signal_all() -> None:
        # Not from this process itself, whose signals its workers always obey.
        subprocess.run(['kill', f'-{number}', '--', f'-{os.getpgrp()}'], check=False)
        # The loader looks after its workers every five seconds.
        time.sleep(6)

    os.setsid()
    before_iteration(iteration, signal_all)
    return command(*arguments)


def train_and_interrupt_all(*arguments: str) -> int:
    """The command, in a group of processes of its own; all get SIGINT while the main one waits for images."""
    import threading

    from cclgan_plugin.data import image_side

    decode = image_side.decode_upper

    def decode_slowly(*words: Any) -> Any:
        time.sleep(1)
        return decode(*words)

    def interrupt_all() -> None:
        time.sleep(0.4)  # by then the second iteration is done
        os.killpg(0, signal.SIGINT)

    os.setsid()
    image_side.decode_upper = decode_slowly
    before_iteration(2, threading.Thread(target=interrupt_all, daemon=True).start)
    return command(*arguments)


def train(folder: Path, world: int = 1, *arguments: str, log: str = 'train') -> None:
    """A run to its end, in one or several processes."""
    words = ('train', '-opt', 'tiny.yml', *arguments)
    if world > 1:
        run_ranks(command, world, *words, '--launcher', 'pytorch', cwd=folder, log=log)
        return
    codes = finish([start(command, *words, cwd=folder, log=f'{log}.log', CUDA_VISIBLE_DEVICES='')])
    assert codes == [0], f'exit code {codes}\n{(folder / f"{log}.log").read_text()[-3000:]}'


def stop(folder: Path, iteration: int, *arguments: str, number: int = signal.SIGTERM) -> int | None:
    """A run in one process that gets a signal in an iteration; its exit code."""
    words = ('train', '-opt', 'tiny.yml', *arguments)
    process = start(
        train_and_signal, (number,), iteration, *words, cwd=folder, log='stop.log', CUDA_VISIBLE_DEVICES=''
    )
    return finish([process])[0]


def load(path: Path) -> Any:
    """What a checkpoint holds."""
    return torch.load(path, weights_only=True)


def same(first: Any, second: Any) -> bool:
    """Whether two checkpoints hold the same, bit for bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(value, second[key]) for key, value in first.items())
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and first == second


def assert_same_run(found: Path, expected: Path, iteration: int = 7) -> None:
    """The last checkpoints, the state with all that is in it, the best network and the curves agree."""
    experiments = [folder / 'experiments/tiny' for folder in (found, expected)]
    state, other = (load(e / f'training_states/{iteration}.state') for e in experiments)
    assert list(state) == list(other)
    assert {key for key in state if not same(state[key], other[key])} == set()
    names = [f'net_{n}_latest.pth' for n in ('g', 'g_rain', 'd', 'd_rain', 'h', 'h_rain')]
    for name in (*names, 'net_g_best_psnr.pth'):
        one, two = (load(e / 'models' / name) for e in experiments)
        assert same(one, two), name
    rows = [sorted((e / 'curves.csv').read_text().split()) for e in experiments]
    assert rows[0] == rows[1]
