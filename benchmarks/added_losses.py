"""What CCLGAN's losses cost in another model: its step with and without each loss, side by side.

    python benchmarks/added_losses.py                       # the example files, one image each
    python benchmarks/added_losses.py --rounds 0            # the counts of operations only

Models are built from ``options/contrastive_*.yml`` with encoders of random weights: what they compute costs
the same. GFLOP by ``torch.utils.flop_counter``, forward and backward.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from tqdm import tqdm  # noqa: E402

from benchmarks.tables import table  # noqa: E402
from cclgan_plugin.whole_file import write_whole  # noqa: E402

FILES = ('contrastive_srmodel_rain800.yml', 'contrastive_srgan_x4.yml', 'contrastive_swinir_x2.yml')


def variants(file: str, device: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The options of the base model alone, with each loss, and with all of them."""
    from cclgan_plugin.options.check import check_options
    from cclgan_plugin.options.inherit import load_options

    opt = check_options(load_options(ROOT / 'options' / file))
    opt |= {'num_gpu': int(device == 'cuda'), 'dist': False, 'is_train': True, 'rank': 0, 'world_size': 1}
    losses = opt['train'].pop('contrastive_opt')
    for loss in losses.values():
        if isinstance(loss.get('encoder'), dict):
            loss['encoder'] |= {'weights': 'random'}
    yield 'alone', {**copy.deepcopy(opt), 'model_type': opt['base_model_type']}
    names = [[name] for name in losses] + ([list(losses)] if len(losses) > 1 else [])
    for some in names:
        chosen = copy.deepcopy(opt)
        chosen['train']['contrastive_opt'] = {name: copy.deepcopy(losses[name]) for name in some}
        yield ' + '.join(some), chosen


class Stepper:
    """A model that steps on one and the same batch."""

    def __init__(self, opt: dict[str, Any], batch: int) -> None:
        from basicsr.models import build_model

        torch.manual_seed(0)
        self.model = build_model(opt)
        size = opt['datasets']['train']['gt_size']
        gt = torch.rand(batch, 3, size, size)
        self.data = {'gt': gt, 'lq': torch.nn.functional.avg_pool2d(gt, opt['scale'])}
        self.iteration = 0

    def step(self) -> float:
        """One iteration; how many seconds it took."""
        self.iteration += 1
        self.model.feed_data(self.data)
        self._wait()
        start = time.perf_counter()
        self.model.optimize_parameters(self.iteration)
        self._wait()
        return time.perf_counter() - start

    def gflop(self) -> float:
        """Of one iteration, in 1e9 floating-point operations."""
        with FlopCounterMode(display=False) as counter:
            self.step()
        return counter.get_total_flops() / 1e9

    def _wait(self) -> None:
        if self.model.device.type == 'cuda':
            torch.cuda.synchronize()


def measure(file: str, batch: int, rounds: int, device: str) -> list[dict[str, Any]]:
    """One row for each variant of a file."""
    steppers = {name: Stepper(opt, batch) for name, opt in variants(file, device)}
    seconds: dict[str, list[float]] = {name: [] for name in steppers}
    counts = {name: stepper.gflop() for name, stepper in steppers.items()}
    for turn in tqdm(range(rounds), desc=file, unit='round', disable=None):
        # The order turns around, so that a machine that grows slower or faster favours none.
        for name in list(steppers)[:: 1 if turn % 2 == 0 else -1]:
            seconds[name].append(steppers[name].step())
    return [
        {
            'model': file.removeprefix('contrastive_').removesuffix('.yml'),
            'losses': name,
            'gflop': counts[name],
            'gflop_ratio': counts[name] / counts['alone'],
            'seconds': median(seconds[name]) if rounds else None,
            'time_ratio': median(
                ours / base for ours, base in zip(seconds[name], seconds['alone'], strict=True)
            )
            if rounds
            else None,
        }
        for name in steppers
    ]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--batch', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--file', action='append', choices=FILES, help='one of the files; all by default')
    parser.add_argument('--json', type=Path, help='write every number there')
    args = parser.parse_args()
    os.environ.setdefault('OMP_NUM_THREADS', '2')
    import cclgan_plugin  # noqa: F401

    rows = [row for file in args.file or FILES for row in measure(file, args.batch, args.rounds, args.device)]
    columns = ('model', 'losses', 'gflop', 'gflop_ratio', 'seconds', 'time_ratio')
    shown = [
        [f'{v:.2f}' if isinstance(v, float) else str(v or '-') for v in map(row.get, columns)] for row in rows
    ]
    print(table(('model', 'losses', 'GFLOP', 'GFLOP / alone', 'seconds', 'time / alone'), shown))
    if args.json:
        write_whole(args.json, json.dumps(rows, indent=1).encode())


if __name__ == '__main__':
    main()
