"""SIGKILL at random moments of a training, each followed by --auto_resume.

``python tests/kill_storm.py --kills 300 --seed 1`` runs it by itself, on any folder with room.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import cclgan_plugin  # noqa: F401  (mends BasicSR, which comes next)

# isort: split
from forked import command, finish, start
from tqdm import tqdm
from whole_runs import assert_same_run, prepare, train

ITERATIONS = 40
WORDS = ('train', '-opt', 'tiny.yml', '--auto_resume')


def killed_after(seconds: float, *words: str) -> int:
    """The command; SIGKILL some time after its first step has begun, whatever it does then."""
    from cclgan_plugin.models.cclgan_model import CCLGANModel

    optimize = CCLGANModel.optimize_parameters
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))

    def optimize_parameters(self: CCLGANModel, current_iter: int) -> None:
        if not timer.is_alive():
            timer.start()
        CCLGANModel.optimize_parameters = optimize  # type: ignore[method-assign]
        optimize(self, current_iter)

    CCLGANModel.optimize_parameters = optimize_parameters  # type: ignore[method-assign]
    return command(*words)


def prepared(folder: Path) -> Path:
    """A run that saves after every step, so that about half of the kills meet a save."""
    return prepare(
        folder,
        train__total_iter=ITERATIONS,
        logger__save_checkpoint_freq=1,
        logger__keep_last=2,
        val__val_freq=5,
    )


def storm(folder: Path, kills: int, seed: int, show: bool = False) -> int:
    """Kill a training that many times, and see that it ends as one that was left alone.

    Args:
        folder: for the runs.
        kills: how many.
        seed: of the moments.
        show: a line with the progress.

    Returns:
        How many runs it took: one that has come to its end is followed by another.
    """
    chance = random.Random(seed)
    alone = prepared(folder / 'alone')
    began = time.monotonic()
    train(alone)
    # A life of a few steps, saves included.
    longest = 4 * (time.monotonic() - began) / ITERATIONS
    runs, survived = 0, True
    progress = tqdm(total=kills, unit='kill', disable=not show)
    while progress.n < kills or not survived:
        if survived:
            runs += 1
            run = prepared(folder / f'killed{runs}')
            survived = False
        last = progress.n >= kills
        delay = 1e9 if last else chance.uniform(0, longest)
        process = (
            start(command, *WORDS, cwd=run, log='log')
            if last
            else start(killed_after, delay, *WORDS, cwd=run, log='log')
        )
        (code,) = finish([process])
        if code == -signal.SIGKILL:
            progress.n += 1
            progress.refresh()
            continue
        assert code == 0, f'exit code {code}\n{(run / "log").read_text()[-3000:]}'
        assert_same_run(run, alone, ITERATIONS)
        shutil.rmtree(run)
        survived = True
    progress.close()
    return runs


def main() -> int:
    """The storm as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--kills', type=int, default=300)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = storm(Path(folder), args.kills, args.seed, show=sys.stderr.isatty())
    print(f'{args.kills} kills, {runs} runs, each of which ended bit for bit as one that was left alone')
    return 0


if __name__ == '__main__':
    sys.exit(main())
