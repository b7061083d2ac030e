"""One training through the ``basicsr`` command: it goes on after interruptions, and its costs are counted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from benchmarks.comparison.recipes import ROOT
from benchmarks.peak_memory import peak_of_process
from cclgan_plugin.errors import TrainingError
from cclgan_plugin.whole_file import write_whole

_ITERATION = re.compile(r'iter:\s*([\d,]+)')


#: The command of this checkout; to be run in the environment of :func:`checkout_first`.
BASICSR = (sys.executable, '-m', 'cclgan_plugin')


def checkout_first() -> dict[str, str]:
    """The environment in which Python finds this checkout before what is installed."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    return {**os.environ, 'PYTHONPATH': paths}


@dataclass(frozen=True)
class Costs:
    """What a training took, and on what.

    Attributes:
        seconds: of all attempts.
        peak_memory: the largest size of its process in bytes.
        machine: that, and the commit, of the last attempt.
    """

    seconds: float
    peak_memory: int
    machine: dict[str, str] = field(default_factory=dict)


def checkpoint_of(name: str, work: Path) -> Path:
    """Where the weights of a training of that name are, once there are any."""
    return work / 'experiments' / name / 'models' / 'net_g_latest.pth'


def train(
    options_file: Path, name: str, iterations: int, machine: dict[str, str], work: Path
) -> tuple[Path, Costs]:
    """Train until done, from where an interrupted training stopped; one that is done is taken as it is.

    Args:
        options_file: of the training.
        name: of its folder.
        iterations: it takes.
        machine: this one, see :func:`benchmarks.machine.describe`; with as many threads as the training gets.
        work: where the folder lies.

    Returns:
        The checkpoint, and the costs of this and earlier attempts.

    Raises:
        TrainingError: the command failed; with the end of what it printed.
    """
    checkpoint = checkpoint_of(name, work)
    ledger = work / 'costs' / f'{name}.json'
    before = _read(ledger)
    if checkpoint.is_file() and ledger.is_file():
        known = f' on {before.machine["date"]}, commit {before.machine["commit"]}' if before.machine else ''
        print(f'{name}: was trained before{known}, and is tested only; another --work trains it again')
        return checkpoint, before
    command = [*BASICSR, 'train', '-opt', str(options_file), '--auto_resume']
    env = {**checkout_first(), 'OMP_NUM_THREADS': machine['threads'], 'MPLBACKEND': 'Agg'}
    start, peak, last = time.monotonic(), before.peak_memory, deque[str](maxlen=30)
    with (
        subprocess.Popen(
            command, cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
        tqdm(total=iterations, desc=name, unit='step', disable=None) as bar,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            peak = max(peak, peak_of_process(process.pid))
            # Written as it goes, so that the time before a kill counts too.
            _write(ledger, Costs(before.seconds + time.monotonic() - start, peak, machine))
            found = _ITERATION.search(line)
            if found:
                bar.update(int(found[1].replace(',', '')) - bar.n)
    costs = Costs(before.seconds + time.monotonic() - start, peak, machine)
    _write(ledger, costs)
    if process.returncode:
        raise TrainingError(f'{name}: the training ended with {process.returncode}:\n' + '\n'.join(last))
    return checkpoint, costs


def _read(ledger: Path) -> Costs:
    return Costs(**json.loads(ledger.read_text('utf-8'))) if ledger.is_file() else Costs(0, 0)


def _write(ledger: Path, costs: Costs) -> None:
    write_whole(ledger, json.dumps(costs.__dict__).encode())
