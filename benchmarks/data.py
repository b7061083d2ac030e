"""How fast training crops are read, side by side in one process: ``python benchmarks/data.py``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import torch

import cclgan_plugin  # noqa: F401
from benchmarks import machine
from benchmarks.data_files import FORMATS, STORES, write_files
from benchmarks.data_measures import (
    building_speeds,
    crops_per_second,
    first_batches,
    memory_by_epoch,
    noise_files,
)
from benchmarks.data_readers import BASICSR, BATCH, CROP, DECODING, OURS, PIL, READERS, make_loader
from benchmarks.tables import replace_between_marks, table
from cclgan_plugin.errors import UserError
from cclgan_plugin.whole_file import write_whole


def main(argv: list[str] | None = None) -> int:
    """Measure and report; 0 = done, 2 = something given is wrong."""
    args = _arguments(argv)
    # One thread for each process, as the loader's workers have it.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix='cclgan_data_') as folder:
        results = _measure(Path(folder), args)
    text = _report(results)
    print(text)
    try:
        if args.json is not None:
            write_whole(args.json, (json.dumps(results, indent=1) + '\n').encode())
        if args.readme is not None:
            replace_between_marks(args.readme, 'data table', text)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return error.exit_code
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure how fast training crops are read.')
    parser.add_argument('--images', type=int, default=48, help='on either side (default: 48)')
    parser.add_argument('--rounds', type=int, default=7, help='epochs of each reader (default: 7)')
    parser.add_argument('--epochs', type=int, default=50, help='to watch the memory over (default: 50)')
    parser.add_argument('--workers', type=int, nargs='*', default=[1, 2], help='numbers of processes (1 2)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every number')
    parser.add_argument('--readme', type=Path, metavar='FILE', help='put the tables between its marks')
    return parser.parse_args(argv)


def _measure(root: Path, args: argparse.Namespace) -> dict[str, Any]:
    write_files(root, args.images)
    results: dict[str, Any] = {
        'machine': machine.describe('cpu', 1),
        'setting': {'images': args.images, 'rounds': args.rounds, 'crop': CROP, 'batch': BATCH},
        'speeds': {},
    }
    for kind in FORMATS:
        for workers in (0, *args.workers):
            tables = [f'{kind} {store} {workers}' for store in STORES]
            # Both stores in one run: speeds of other minutes could not be compared.
            loaders = {
                (what, name): loader
                for what, store in zip(tables, STORES, strict=True)
                for name in READERS
                if (loader := make_loader(name, root, store, kind, workers)) is not None
            }
            clock = time.perf_counter if workers else time.process_time
            found = crops_per_second(loaders, args.rounds, clock, f'{kind} {workers}')
            for (what, name), speeds in found.items():
                results['speeds'].setdefault(what, {})[name] = speeds
    loader = make_loader('ours', root, 'folder', 'jpg', 1)
    assert loader is not None
    results['first_batch'] = first_batches(loader, args.rounds)
    results['memory'] = {
        name: memory_by_epoch(loader, args.epochs)
        for name in OURS
        if (loader := make_loader(name, root, 'lmdb', 'jpg', 0)) is not None
    }
    noise_files(root / 'noise', 4 * args.images)
    results['building'] = {
        what: building_speeds(source, root, args.rounds)
        for what, source in {'noise': root / 'noise', 'photographs': root / 'folder_png'}.items()
    }
    return results


def _report(results: dict[str, Any]) -> str:
    lines = [', '.join(f'{key}: {value}' for key, value in results['machine'].items()), '']
    for what, speeds in results['speeds'].items():
        kind, store, workers = what.split()
        unit = 'crops per CPU second' if workers == '0' else 'crops per second'
        header = (
            f'{kind.upper()}, {store}, {workers} workers',
            unit,
            f'x {DECODING}',
            f'x {BASICSR}',
            f'x {PIL}',
        )
        rows = [_row(name, speeds, results['speeds'][f'{kind} folder {workers}']) for name in speeds]
        lines += [table(header, rows), '']
    first = median([1000 * seconds for seconds in results['first_batch']])
    rows = [
        ['first batch of a later epoch, 1 worker, JPEG', f'{first:.0f} ms', 'under 50 ms'],
        *(
            [
                f'memory of {name}, last epoch over 5th',
                f'{series[-1] / series[min(4, len(series) - 1)]:.3f}',
                '1',
            ]
            for name, series in results['memory'].items()
        ),
        *(
            [f'LMDB building over the {name}, {what}', f'{median(ratios):.2f}', 'at least 0.8']
            for what, speeds in results['building'].items()
            for name, ratios in speeds.items()
        ),
    ]
    return '\n'.join([*lines, table(('measure', 'found', 'goal'), rows)])


def _row(name: str, speeds: dict[str, list[float]], folder: dict[str, list[float]]) -> list[str]:
    """Speed, and ratios round by round; readers of folders only are compared with from their own table."""
    ours = speeds[name]
    row = [name, f'{median(ours):.0f}']
    for other in (DECODING, BASICSR, PIL):
        theirs = speeds.get(other, folder[other])
        ratios = [one / two for one, two in zip(ours, theirs, strict=True)]
        row.append('' if name == other else f'{median(ratios):.2f}')
    return row


if __name__ == '__main__':
    sys.exit(main())
