"""How much of what a network does to photographs is a pattern that repeats with its strides.

    python benchmarks/lattice.py PHOTOGRAPHS MODEL...

A model is a name of the Model Zoo or a file of weights. A network that halves the size twice may change
every fourth pixel in its own way, whatever is on the picture: hardly seen, but NIQE knows no such
photographs. Means over the photographs, in grey levels of 255:

- change: what the network changes, as a mean absolute difference;
- lattice: the standard deviation of the 16 mean changes, one for each place in a square of 4x4 pixels;
- NIQE of the photographs, of the network's answers, and of these without the lattice.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from tqdm import tqdm  # noqa: E402

import cclgan_plugin  # noqa: E402, F401
from benchmarks.comparison.scoring import niqe, read_eight_bits  # noqa: E402
from benchmarks.tables import table  # noqa: E402
from cclgan_plugin.data.image_folder import find_images  # noqa: E402
from cclgan_plugin.errors import run_as_command  # noqa: E402
from cclgan_plugin.inference import Derainer  # noqa: E402

PERIOD = 4


def lattice(change: np.ndarray) -> np.ndarray:
    """The part of a change ``(H, W, C)`` that repeats every :data:`PERIOD` pixels, without its mean."""
    repeated = np.empty_like(change)
    for row in range(PERIOD):
        for column in range(PERIOD):
            place = np.s_[row::PERIOD, column::PERIOD]
            repeated[place] = change[place].mean((0, 1))
    return repeated - change.mean((0, 1))


def measure(photograph: np.ndarray, answer: np.ndarray) -> list[float]:
    """Change, lattice, and NIQE of the photograph, the answer and the answer without the lattice."""
    change = answer.astype(np.float64) - photograph
    repeated = lattice(change)
    plain = np.rint((answer - repeated).clip(0, 255)).astype(np.uint8)
    unit = repeated[:PERIOD, :PERIOD].mean(2)
    return [np.abs(change).mean(), unit.std(), niqe(photograph), niqe(answer), niqe(plain)]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photographs', type=Path, help='a folder; NIQE needs 192x192 pixels and more')
    parser.add_argument('models', nargs='+')
    parser.add_argument('--count', type=int, help='only so many of the photographs, the first by name')
    args = parser.parse_args(argv)
    names = find_images(str(args.photographs))[: args.count]
    photographs = [read_eight_bits(args.photographs / name) for name in names]
    rows = []
    for model in args.models:
        derain = Derainer.from_pretrained(model)
        found = [measure(picture, derain(picture)) for picture in tqdm(photographs, desc=model, disable=None)]
        rows.append([model, *(f'{value:.2f}' for value in np.mean(found, axis=0))])
    print(table(('model', 'change', 'lattice', 'NIQE before', 'NIQE after', 'without the lattice'), rows))
    return 0


if __name__ == '__main__':
    run_as_command(main)
