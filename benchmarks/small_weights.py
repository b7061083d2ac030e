"""Make the pairs that the packaged weights have learnt from.

    python benchmarks/small_weights.py OUT --data datasets/deraining    derain-small (research data)
    python benchmarks/small_weights.py OUT                              derain-small-free (free photographs)
    python benchmarks/small_weights.py OUT --dry 2 --streak-like 2 ...  for the later parts of the training
    python benchmarks/small_weights.py OUT --collages 120 ...           likewise, where photographs are few
    python benchmarks/small_weights.py OUT --hard WEIGHTS ...           likewise, with what they get wrong

Writes ``OUT/rainy`` and ``OUT/clean``, same names. Rain is rendered on clean photographs in every kind that
the package knows, and painted as image editors do. Each photograph is there dry on both sides too, and with
things on it that look like streaks, so that the network learns to leave those alone. From the data folder
come besides the pairs of Rain800's training set, aligned. No test image is read.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.collage import collage  # noqa: E402
from benchmarks.comparison.training_data import aligned_pair, read_picture  # noqa: E402
from benchmarks.hard_tiles import SIDE, hard_tiles  # noqa: E402
from benchmarks.noise_rain import with_noise_rain  # noqa: E402
from benchmarks.streak_like import with_streak_like  # noqa: E402
from benchmarks.streaky_patterns import with_pattern  # noqa: E402
from cclgan_plugin.data.demo import load_photograph  # noqa: E402
from cclgan_plugin.data.image_file import encode_image  # noqa: E402
from cclgan_plugin.data.rain_folder import rain_on  # noqa: E402
from cclgan_plugin.data.rain_params import RAIN_TYPES, vary  # noqa: E402
from cclgan_plugin.data.randomness import generator  # noqa: E402
from cclgan_plugin.inference.derainer import Derainer  # noqa: E402
from cclgan_plugin.whole_file import write_whole  # noqa: E402

#: Photographs of scikit-image; its cat, chelsea.png, is left for tests and pictures.
FREE = (
    'astronaut.png',
    'coffee.png',
    'motorcycle_left.png',
    'rocket.jpg',
    'hubble_deep_field.jpg',
    'retina.jpg',
)
#: Its grey pictures, and one of a microscope: full of what looks like streaks, and of use in collages.
FREE_TEXTURES = (
    'brick.png',
    'camera.png',
    'coins.png',
    'grass.png',
    'gravel.png',
    'ihc.png',
    'moon.png',
    'page.png',
)
#: How many times as often as a collage a photograph is there, so that there are enough of the real ones.
PHOTOGRAPH_TIMES = 12
VARIATION = 0.7
#: What options/train_small*.yml cut out of the pictures.
LARGEST_CROP = 128
#: Share of the pairs that are compressed, both sides alike, and how well; the rest is as the camera left it.
COMPRESSED, QUALITY = 0.3, (70, 96)


class Amounts(NamedTuple):
    """How often each photograph is there otherwise than in rendered rain.

    Attributes:
        dry: without rain.
        turned: whether it is there without rain also turned by a quarter and at half the size: rain falls
            downwards, so what lies across a photograph looks like streaks only then, and grass is finer.
        noise_rain: in rain as image editors make it.
        streak_like: with bars, grass and the like on it; dry, and in each of the two sorts of rain.
        patterns: with spots, hair and dots on it, likewise.
    """

    dry: int
    turned: bool
    noise_rain: int
    streak_like: int
    patterns: int = 0

    def times(self, factor: int) -> Amounts:
        """So many times as often, but not turned more often: that is always the same."""
        dry, turned, *others = self
        return Amounts(dry * factor, turned, *(amount * factor for amount in others))


#: Of what trained weights get wrong: mostly dry, but rain falls on it, too.
HARD = Amounts(dry=8, turned=False, noise_rain=2, streak_like=0)


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


def collages(count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and pixels of the textures, and of pictures made of pieces of them and of free photographs."""
    sources = [load_photograph(name) for name in (*FREE, *FREE_TEXTURES)]
    for name, texture in zip(FREE_TEXTURES, sources[len(FREE) :], strict=True):
        yield f't{Path(name).stem}', texture
    for number in range(count):
        yield f'c{number}', collage(sources, generator(0, f'small weights collage {number}'))


def aligned_pairs(data: Path, copies: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Rain800's training pairs: the rainy half begins ``rainy_x_offset`` pixels into the clean one."""
    for row in rain800(data):
        files = (data / 'Rain800/train' / side / row['file'] for side in ('rainy', 'clean'))
        pair = aligned_pair(*files, int(row['rainy_x_offset']))
        for copy in range(copies):
            yield f'p{Path(row["file"]).stem}{f"-{copy}" if copy else ""}', *pair


def rain800(data: Path) -> list[dict[str, str]]:
    """The table of Rain800's training images."""
    with open(data / 'meta' / 'rain800_train.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def rendered(
    name: str, clean: np.ndarray, copies: int, amounts: Amounts
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """A photograph in every kind of rain, ``copies`` times, and otherwise as often as ``amounts`` says."""
    for copy in range(amounts.dry):
        yield f'{name}-dry{copy or ""}', clean, clean
    if amounts.turned:
        for number, still in enumerate(turns(clean)):
            if min(still.shape[:2]) >= LARGEST_CROP:
                yield f'{name}-turned{number}', still, still
    for kind in RAIN_TYPES:
        for copy in range(copies):
            rng = generator(0, f'small weights {name} {kind} {copy}')
            yield f'{name}-{kind}{copy}', _in_rain(clean, kind, rng), clean
    for copy in range(amounts.noise_rain):
        rng = generator(0, f'small weights {name} noise {copy}')
        yield f'{name}-noise{copy}', with_noise_rain(clean, rng), clean
    for like, seed, drawn, often in (
        ('like', 'streak-like', with_streak_like, amounts.streak_like),
        ('pattern', 'pattern', with_pattern, amounts.patterns),
    ):
        for copy in range(often):
            rng = generator(0, f'small weights {name} {seed} {copy}')
            truth = drawn(clean, rng)
            yield f'{name}-{like}{copy}', truth, truth
            yield f'{name}-{like}rain{copy}', _in_rain(truth, str(rng.choice(list(RAIN_TYPES))), rng), truth
            if amounts.noise_rain:
                yield f'{name}-{like}noise{copy}', with_noise_rain(truth, rng), truth


def turns(clean: np.ndarray) -> list[np.ndarray]:
    """A photograph turned by a quarter to either side, and at half the size, upright and turned."""
    half = cv2.resize(clean, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    ways = [(clean, 1), (clean, 3), (half, 0), (half, 1)]
    return [np.ascontiguousarray(np.rot90(image, quarters)) for image, quarters in ways]


def hard_parts(derain: Derainer, clean: np.ndarray) -> Iterator[np.ndarray]:
    """The squares of a photograph, upright or turned, of which trained weights take away what is no rain."""
    for image in [clean, *turns(clean)]:
        if min(image.shape[:2]) >= SIDE:
            yield from hard_tiles(derain, image)


def _in_rain(clean: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    # Streaks only: who takes veils away darkens every picture without rain.
    return rain_on(clean, replace(vary(RAIN_TYPES[kind], VARIATION, rng), veil=0.0, mist=0.0), rng)


def compressed(images: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """The same pictures, uint8 ``(H, W, 3)``, or some of the time what JPEG of one quality leaves of them."""
    if rng.random() >= COMPRESSED:
        return list(images)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*QUALITY))]
    written = [cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1] for image in images]
    return [cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for data in written]


def main(argv: Sequence[str] | None = None) -> int:
    """Write all pairs."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('out', type=Path)
    parser.add_argument(
        '--data', type=Path, help='the data folder; without it only free photographs are used'
    )
    parser.add_argument('--dry', type=int, default=1, help='times that each photograph is there without rain')
    parser.add_argument(
        '--turned', action='store_true', help='also turned and at half the size, without rain'
    )
    parser.add_argument(
        '--noise-rain', type=int, default=0, help='times that it is in rain as image editors make it'
    )
    parser.add_argument(
        '--streak-like', type=int, default=0, help='times that it has bars, grass and the like on it'
    )
    parser.add_argument('--jpeg', action='store_true', help='compress some of the pairs, both sides alike')
    parser.add_argument(
        '--collages', type=int, default=0, help='pictures of pieces of photographs, and textures'
    )
    parser.add_argument(
        '--patterns', type=int, default=0, help='times that it has spots, hair and dots on it'
    )
    parser.add_argument(
        '--hard', metavar='WEIGHTS', help='also the squares that these weights change although they are dry'
    )
    parser.add_argument('--pairs', type=int, default=1, help="times that each of Rain800's pairs is there")
    args = parser.parse_args(argv)
    amounts = Amounts(args.dry, args.turned, args.noise_rain, args.streak_like, args.patterns)
    derain = Derainer.from_pretrained(args.hard) if args.hard else None

    def hard_ones(name: str, clean: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for number, part in enumerate(hard_parts(derain, clean) if derain else ()):
            yield from rendered(f'{name}-hard{number}', part, 1, HARD)

    often = amounts.times(PHOTOGRAPH_TIMES) if args.collages and not args.data else amounts

    def pairs() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for name, clean in clean_photographs(args.data):
            yield from rendered(name, clean, 1 if args.data else 12, often)
            yield from hard_ones(name, clean)
        for name, clean in collages(args.collages) if args.collages else ():
            yield from rendered(name, clean, 1, amounts)
            yield from hard_ones(name, clean)
        if args.data:
            yield from aligned_pairs(args.data, args.pairs)

    count = 0
    for name, rainy, clean in tqdm(pairs(), unit='pair', disable=None):
        if args.jpeg:
            rainy, clean = compressed([rainy, clean], generator(0, f'small weights {name} compression'))
        for side, image in (('rainy', rainy), ('clean', clean)):
            # Uncompressed: the small network would wait for its images to be decoded.
            write_whole(args.out / side / f'{name}.bmp', encode_image(image, '.bmp'))
        count += 1
    print(f'{args.out}: {count} pairs')
    return 0


if __name__ == '__main__':
    sys.exit(main())
