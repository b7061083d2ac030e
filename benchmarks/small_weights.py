"""Make the pairs that the packaged weights have learnt from.

    python benchmarks/small_weights.py OUT --data datasets/deraining    derain-small (research data)
    python benchmarks/small_weights.py OUT                              derain-small-free (free photographs)
    python benchmarks/small_weights.py OUT --dry 2 --streak-like 2 ...  for train_small_finish.yml

Writes ``OUT/rainy`` and ``OUT/clean``, same names. Rain is rendered on clean photographs in every kind that
the package knows. Each photograph is there dry on both sides too, and with things on it that look like
streaks, so that the network learns to leave those alone. From the data folder come besides the pairs of
Rain800's training set, aligned. No test image is read.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.comparison.training_data import aligned_pair, read_picture  # noqa: E402
from benchmarks.streak_like import with_streak_like  # noqa: E402
from cclgan_plugin.data.demo import load_photograph  # noqa: E402
from cclgan_plugin.data.image_file import encode_image, write_whole  # noqa: E402
from cclgan_plugin.data.rain_folder import rain_on  # noqa: E402
from cclgan_plugin.data.rain_params import RAIN_TYPES, vary  # noqa: E402
from cclgan_plugin.data.randomness import generator  # noqa: E402

#: Photographs of scikit-image; its cat, chelsea.png, is left for tests and pictures.
FREE = (
    'astronaut.png',
    'coffee.png',
    'motorcycle_left.png',
    'rocket.jpg',
    'hubble_deep_field.jpg',
    'retina.jpg',
)
VARIATION = 0.7


def clean_photographs(data: Path | None) -> Iterator[tuple[str, np.ndarray]]:
    """Names and pixels of the clean photographs, each scene once."""
    if data is None:
        for name in FREE:
            yield Path(name).stem, load_photograph(name)
        return
    seen = set()
    for row in rain800(data):
        if row['scene_id'] not in seen:
            seen.add(row['scene_id'])
            yield f'r{Path(row["file"]).stem}', read_picture(data / 'Rain800/train/clean' / row['file'])
    for file in sorted((data / 'clean').iterdir()):
        yield f'b{file.stem}', read_picture(file)


def aligned_pairs(data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Rain800's training pairs: the rainy half begins ``rainy_x_offset`` pixels into the clean one."""
    for row in rain800(data):
        files = (data / 'Rain800/train' / side / row['file'] for side in ('rainy', 'clean'))
        yield f'p{Path(row["file"]).stem}', *aligned_pair(*files, int(row['rainy_x_offset']))


def rain800(data: Path) -> list[dict[str, str]]:
    """The table of Rain800's training images."""
    with open(data / 'meta' / 'rain800_train.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def rendered(
    name: str, clean: np.ndarray, copies: int, dry: int, streak_like: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """A photograph in every kind of rain, ``copies`` times, and ``dry`` times without.

    With streak-like things on it, ``streak_like`` times, it is there both dry and in one kind of rain.
    """
    for copy in range(dry):
        yield f'{name}-dry{copy or ""}', clean, clean
    for kind in RAIN_TYPES:
        for copy in range(copies):
            rng = generator(0, f'small weights {name} {kind} {copy}')
            yield f'{name}-{kind}{copy}', _in_rain(clean, kind, rng), clean
    for copy in range(streak_like):
        rng = generator(0, f'small weights {name} streak-like {copy}')
        truth = with_streak_like(clean, rng)
        yield f'{name}-like{copy}', truth, truth
        yield f'{name}-likerain{copy}', _in_rain(truth, str(rng.choice(list(RAIN_TYPES))), rng), truth


def _in_rain(clean: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    # Streaks only: who takes veils away darkens every picture without rain.
    return rain_on(clean, replace(vary(RAIN_TYPES[kind], VARIATION, rng), veil=0.0, mist=0.0), rng)


def main(argv: Sequence[str] | None = None) -> int:
    """Write all pairs."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('out', type=Path)
    parser.add_argument(
        '--data', type=Path, help='the data folder; without it only free photographs are used'
    )
    parser.add_argument('--dry', type=int, default=1, help='times that each photograph is there without rain')
    parser.add_argument(
        '--streak-like',
        type=int,
        default=0,
        help='times that it has bars, grass and the like on it',
    )
    args = parser.parse_args(argv)

    def pairs() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for name, clean in clean_photographs(args.data):
            yield from rendered(name, clean, 1 if args.data else 12, args.dry, args.streak_like)
        if args.data:
            yield from aligned_pairs(args.data)

    count = 0
    for name, rainy, clean in tqdm(pairs(), unit='pair', disable=None):
        for side, image in (('rainy', rainy), ('clean', clean)):
            # Uncompressed: the small network would wait for its images to be decoded.
            write_whole(str(args.out / side / f'{name}.bmp'), encode_image(image, '.bmp'))
        count += 1
    print(f'{args.out}: {count} pairs')
    return 0


if __name__ == '__main__':
    sys.exit(main())
