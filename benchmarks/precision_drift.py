"""Does training in bfloat16 go where training in float32 goes? Loss curves of both, and of another seed.

    python benchmarks/precision_drift.py              500 steps of a small CCLGAN, twelve runs
    python benchmarks/precision_drift.py --first-seed 5         four others of each mode
    python benchmarks/precision_drift.py --device cuda --width 64 --blocks 9 --size 256 --steps 2000

All runs start from the same weights. Each seed is run in float32 and in the other modes: the same
images at the same locations; another seed has others. What the precision does must be less than what a
seed does: for each loss, the distance between two curves, smoothed over 50 steps, is averaged over the
steps; those from float32 to the mode, seed by seed, are compared with those between any two of the
float32 runs. Training is chaotic: after some hundred steps each change of a last bit has become a seed of
its own, and only the mean over several seeds says more than chance. ``channels_last`` on a CPU is such a
change of last bits, and shows how far chance alone goes.

A CPU without instructions for bfloat16 computes its products in float32, see ``bf16_products.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import combinations
from pathlib import Path
from statistics import mean

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))
sys.path.insert(0, str(ROOT))

import skimage.data  # noqa: E402
from torch import Generator, Tensor  # noqa: E402
from tqdm import tqdm  # noqa: E402

from benchmarks.bf16_products import bf16_products  # noqa: E402
from benchmarks.machine import describe  # noqa: E402
from benchmarks.modes import PLAIN, Mode  # noqa: E402
from benchmarks.step_recipes import Recipe, Setting  # noqa: E402
from benchmarks.step_settings import add_setting_arguments, check_at_least, read_setting  # noqa: E402
from benchmarks.step_variants import build_variant  # noqa: E402
from benchmarks.tables import replace_between_marks, table  # noqa: E402
from cclgan_plugin.errors import UserError  # noqa: E402

SMOOTHING = 50


def photographs() -> list[Tensor]:
    """Real colour photographs ``(3, H, W)`` in [0, 1]: what training crops are cut from."""
    found = (skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea())
    return [torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255 for photo in found]


def crops(photos: list[Tensor], setting: Setting, streaks: bool, generator: Generator) -> Tensor:
    """A batch of random crops; with brightened random columns for rain, which need not look like it."""
    batch = []
    for _ in range(setting.batch):
        photo = photos[int(torch.randint(len(photos), (), generator=generator))]
        y, x = (int(torch.randint(side - setting.size, (), generator=generator)) for side in photo.shape[1:])
        crop = photo[:, y : y + setting.size, x : x + setting.size]
        if streaks:
            rain = (torch.rand(1, 1, setting.size, generator=generator) > 0.9) * 0.4
            crop = (crop + rain).clamp(max=1)
        batch.append(crop)
    return torch.stack(batch)


def curves(setting: Setting, mode: Mode, seed: int, steps: int) -> dict[str, Tensor]:
    """Train; every loss of every step, ``(steps,)`` by name."""
    variant = build_variant(Recipe(setting, mode=mode))
    generator, photos = Generator().manual_seed(seed), photographs()
    found: dict[str, list[Tensor]] = {}
    for step in tqdm(range(steps), desc=f'{mode}, seed {seed}', disable=not sys.stderr.isatty()):
        variant.rainy = crops(photos, setting, True, generator).to(variant.device)
        variant.clean = crops(photos, setting, False, generator).to(variant.device)
        variant.location_seed = 1000 * seed + step
        with bf16_products(variant.device) if mode.bf16 else nullcontext():
            losses = variant.step()
        for name, loss in losses.items():
            found.setdefault(name, []).append(loss.float())
    return {name: torch.stack(values).cpu() for name, values in found.items()}


def smooth(curve: Tensor) -> Tensor:
    """Running means over :data:`SMOOTHING` steps."""
    return curve.unfold(0, min(SMOOTHING, len(curve)), 1).mean(-1)


def distance(one: Tensor, other: Tensor) -> float:
    """Mean distance of two smoothed curves."""
    return (smooth(one) - smooth(other)).abs().mean().item()


def _range(values: Sequence[float]) -> str:
    return f'{min(values):.4f} .. {max(values):.4f}'


def _moved(values: Sequence[float]) -> str:
    return f'{_range(values)}, {mean(values):.4f}'


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; exit code 1 if a mode moves a loss further than the seed does."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--steps', type=int, default=500)
    add_setting_arguments(parser, Setting(size=64, width=16, blocks=2, encoder='vgg'))
    parser.add_argument('--seeds', type=int, default=4, help='runs in each mode (4)')
    parser.add_argument('--first-seed', type=int, default=1, help='runs of other seeds than 1, 2, ... (1)')
    parser.add_argument(
        '--modes',
        default='bf16,channels_last',
        help='compared with fp32; see benchmarks/README.md (bf16,channels_last)',
    )
    parser.add_argument('--readme', type=Path, metavar='FILE', help='put the table into a page')
    args = parser.parse_args(argv)
    try:
        modes, setting = [Mode.parse(text) for text in args.modes.split(',')], read_setting(args)
        for name, least in {'seeds': 2, 'steps': 1}.items():  # one run has no spread
            check_at_least(args, name, least)
    except UserError as error:
        parser.error(str(error))
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = {mode: [curves(setting, mode, seed, args.steps) for seed in seeds] for mode in (PLAIN, *modes)}
    plain, rows, inside = runs[PLAIN], [], True
    for name in plain[0]:
        by_seed = [distance(one[name], other[name]) for one, other in combinations(plain, 2)]
        ends = [_range([smooth(run[name])[-1].item() for run in runs[mode]]) for mode in (PLAIN, *modes)]
        moved = []
        for mode in modes:
            by_mode = [distance(one[name], other[name]) for one, other in zip(runs[mode], plain, strict=True)]
            inside &= mean(by_mode) <= max(by_seed)
            moved.append(_moved(by_mode))
        rows.append([name, *ends, _moved(by_seed), *moved])
    moved_by = ['moved by the seed', *(f'moved by {mode}' for mode in modes)]
    heads = ['loss', *map(str, (PLAIN, *modes)), *(f'{words}, mean' for words in moved_by)]
    what = (
        f'{args.steps} steps of {args.size}x{args.size}, batch {args.batch}, width {args.width}, '
        f'{args.blocks} blocks, seeds {seeds[0]} to {seeds[-1]}, on {args.device}; '
        f'the losses are means of the last {SMOOTHING} steps.'
    )
    machine = ', '.join(f'{k} {v}' for k, v in describe(args.device, torch.get_num_threads()).items())
    text = f'{what}\n{machine}.\n\n{table(heads, rows)}'
    print(text)
    if args.readme:
        replace_between_marks(args.readme, 'precision table', text)
    return 0 if inside else 1


if __name__ == '__main__':
    sys.exit(main())
