"""Hold the gradients of our step on a device against the oracle's in float64 on the CPU.

    python benchmarks/card_gradients.py --device cuda
    python benchmarks/card_gradients.py --modes fp32,bf16 --size 64 --width 16     on the CPU, a small one
    python benchmarks/card_gradients.py --modes fp32 --conditioning                what no float32 could avoid

Prints, by mode and network, the length of the gradients' difference over the length of the oracle's, and the
largest difference of a loss. The oracle's own step in float32 comes first, as the yardstick: wherever
rounding moves a value across the zero of a rectifier or an absolute value, a piece of the gradient changes.
``--conditioning`` shows how much of that is the mathematics' own: the oracle in float64 again, from weights
moved by so little that float32 holds the same ones, and by a 64th of that.
Exits with 1 where our float32 is further away than 1e-3 and than twice the yardstick.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))
sys.path.insert(0, str(ROOT))

from benchmarks.agreement import Agreement, OracleGradients  # noqa: E402
from benchmarks.modes import Mode  # noqa: E402
from benchmarks.step_recipes import Recipe, Setting  # noqa: E402
from benchmarks.step_settings import add_setting_arguments, read_setting  # noqa: E402
from benchmarks.step_variants import StepVariant, build_variant  # noqa: E402
from cclgan_plugin.errors import UserError  # noqa: E402

#: What float32 may be away from float64, relative.
LIMIT = 1e-3

#: By how much ``--conditioning`` moves weights, relative: as far as float32 rounds back, and a 64th of it.
MOVED = (2**-25, 2**-31)


def oracle_in_float64(setting: Setting, moved: float = 0.0) -> StepVariant:
    """The oracle on the CPU, with the weights and images that every variant of the setting has.

    Args:
        moved: each weight is moved by at most so much of itself, at random.
    """
    variant = build_variant(Recipe(replace(setting, device='cpu'), oracle=True))
    variant.nets.double()
    variant.rainy, variant.clean = variant.rainy.double(), variant.clean.double()
    if moved:
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for weight in variant.trained().values():
                weight *= 1 + moved * (
                    2 * torch.rand(weight.shape, generator=generator, dtype=weight.dtype) - 1
                )
    return variant


def agreements(setting: Setting, modes: Sequence[Mode], conditioning: bool = False) -> dict[str, Agreement]:
    """Against the oracle in float64, each printed when it is known.

    The oracle in float32 and ours in each of the modes, on the setting's device; before them, if
    ``conditioning``, the oracle in float64 from moved weights.
    """
    oracle = oracle_in_float64(setting)
    exact = OracleGradients(oracle, oracle.step(learn=False))
    steps: dict[str, Callable[[], StepVariant]] = {}
    for moved in MOVED if conditioning else ():
        steps[f'float64, weights {moved:.0e} off'] = partial(oracle_in_float64, setting, moved)
    for recipe in [Recipe(setting, oracle=True), *(Recipe(setting, mode=mode) for mode in modes)]:
        steps[recipe.name] = partial(build_variant, recipe)
    found = {}
    for name, build in steps.items():
        variant = build()
        found[name] = exact.compare(variant, variant.step(learn=False))
        print(row(name, found[name]), flush=True)
    return found


def row(name: str, found: Agreement) -> str:
    """One line: the variant, its losses, and every network's gradients."""
    gradients = '  '.join(f'{net} {error:.1e}' for net, error in found.gradients.items())
    return f'{name:36s} losses {found.losses:.1e}  gradients: {gradients}'


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    logging.getLogger('basicsr').setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(
        prog='card_gradients.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--modes', default='fp32,tf32,bf16,tf32+bf16+channels_last')
    parser.add_argument(
        '--conditioning', action='store_true', help='float64 from weights moved a little, too'
    )
    add_setting_arguments(parser)
    args = parser.parse_args(argv)
    try:
        modes = [Mode.parse(text) for text in args.modes.split(',')]
        setting = read_setting(args)
        if any(mode.graphs for mode in modes):
            parser.error('graphs: a first step, as it is taken here, is not replayed; see recorded_step.py')
    except UserError as error:
        parser.error(str(error))
    found = agreements(setting, modes, args.conditioning)
    yardstick, ours = found['oracle'].worst_gradient, found.get('ours')
    return int(ours is not None and ours.worst_gradient > max(LIMIT, 2 * yardstick))


if __name__ == '__main__':
    sys.exit(main())
