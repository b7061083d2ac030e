"""Measure one training step: time, floating-point operations, operations, memory.

    python benchmarks/step.py                     the oracle, ours and its relatives, 256x256 on the CPU
    python benchmarks/step.py --device cuda       the same on a graphics card, and images per second
    python benchmarks/step.py --smoke             seconds: does the script run?

``benchmarks/README.md`` explains every figure.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))
sys.path.insert(0, str(ROOT))

from tqdm import tqdm  # noqa: E402

from benchmarks.agreement import OracleGradients  # noqa: E402
from benchmarks.counting import count_step  # noqa: E402
from benchmarks.machine import describe  # noqa: E402
from benchmarks.modes import Mode  # noqa: E402
from benchmarks.peak_memory import card_peak, peak_of_command, process_peak, reset_card_peak  # noqa: E402
from benchmarks.step_chart import chart  # noqa: E402
from benchmarks.step_recipes import Recipe, Setting, step_recipes  # noqa: E402
from benchmarks.step_report import report  # noqa: E402
from benchmarks.step_results import StepResults, VariantResult  # noqa: E402
from benchmarks.step_settings import add_setting_arguments, check_at_least, read_setting  # noqa: E402
from benchmarks.step_variants import build_variant  # noqa: E402
from benchmarks.tables import replace_between_marks  # noqa: E402
from benchmarks.throughput import COMPILED, EAGER, measure_throughput, throughput_recipes  # noqa: E402
from benchmarks.timing import Spread, time_interleaved  # noqa: E402
from cclgan_plugin.errors import UserError  # noqa: E402
from cclgan_plugin.whole_file import write_whole  # noqa: E402

SMOKE = {'size': 32, 'width': 16, 'blocks': 1, 'encoder': 'vgg', 'rounds': 2, 'batches': '1,2'}
MARK = 'step table'


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog='step.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_setting_arguments(parser)
    add('--rounds', type=int, default=5, help='timed rounds; 0 = count only (5)')
    add('--threads', type=int, default=2, help='threads of the CPU (2)')
    add(
        '--modes',
        default='fp32,channels_last,bf16',
        help='modes of ours, see benchmarks/README.md',
    )
    add('--no-memory', action='store_true', help='leave out the peak memory')
    add('--no-terms', action='store_true', help='leave out the breakdown by loss term')
    add('--throughput', action='store_true', help='images per second on the CPU too; a card always has them')
    add('--batches', default='1,4,16', help='batches of the throughput table (1,4,16)')
    add(
        '--speeds',
        help='modes of the throughput table (many; on a card compiled, too)',
    )
    add('--smoke', action='store_true', help='everything at a tiny size')
    add('--json', type=Path, metavar='FILE', help='write all findings')
    add('--png', type=Path, metavar='FILE', help='write a bar chart')
    add('--readme', type=Path, metavar='FILE', help=f'put the tables between the marks "{MARK}" of a page')
    # For the processes that this one starts: measure the peak memory of the variant with this number.
    add('--peak-of', type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.smoke:
        for name, value in SMOKE.items():
            setattr(args, name, value)
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    # That the encoders have random weights is meant to be, and said in the tables.
    logging.getLogger('basicsr').setLevel(logging.ERROR)
    try:
        args = parse(argv)
        setting = read_setting(args)
        check_at_least(args, 'threads', 1)
        check_at_least(args, 'rounds', 0)
        recipes = read_recipes(args, setting)
        torch.set_num_threads(args.threads)
        # As BasicSR trains: the fastest algorithm for each convolution, found by trying.
        torch.backends.cudnn.benchmark = True
        if args.peak_of is not None:
            print(json.dumps(peak_of(recipes[args.peak_of])))
            return 0
        results = measure(args, recipes)
        text = report(results)
        print(text)
        if args.json:
            write_json(args.json, results)
        if args.png:
            write_whole(args.png, chart(results))
        if args.readme:
            replace_between_marks(args.readme, MARK, text)
    except UserError as error:
        print(f'step.py: {error}', file=sys.stderr)
        return error.exit_code
    return 0


def read_recipes(args: argparse.Namespace, setting: Setting) -> list[Recipe]:
    """The variants, in the order of the tables."""
    modes = [Mode.parse(text) for text in args.modes.split(',')]
    return step_recipes(setting, modes, by_term=not args.no_terms)


def measure(args: argparse.Namespace, recipes: list[Recipe]) -> StepResults:
    """Everything that the command line asks for."""
    machine = describe(args.device, args.threads)
    variants = {recipe.name: build_variant(recipe) for recipe in recipes}
    found = {name: VariantResult(v.recipe, v.floor()) for name, v in variants.items()}

    oracle = None
    with tqdm(total=len(variants), desc='first steps and counts', unit='variant', disable=None) as bar:
        for name, variant in variants.items():
            entry = found[name]
            if variant.recipe.mode.compile:  # nothing inside can be counted
                losses = variant.step(learn=False)
            else:
                entry.counts, losses = count_step(variant)
            oracle = oracle or OracleGradients(variant, losses)
            if not (variant.recipe.relative or variant.recipe.without):
                entry.agreement = oracle.compare(variant, losses)
            bar.update()
    if args.rounds:
        times = time_interleaved(variants, args.rounds, in_parts=('oracle', 'ours'))
        for name, entry in found.items():
            entry.times = times[name]
            entry.faster = Spread.of(times[name].ratios(times['oracle']))
    variants.clear()
    gc.collect()
    if not args.no_memory:
        measure_memory(args, recipes, found)
    results = StepResults(machine, found)
    if args.device == 'cuda' or args.throughput:
        batches = [int(batch) for batch in args.batches.split(',')]
        chosen = throughput_recipes(recipes[0].setting, batches, throughput_modes(args, recipes))
        for speed in measure_throughput(chosen, max(1, args.rounds)):
            results.throughput.append(speed)
            if args.json:  # a card may be lent for minutes: what is measured is kept
                write_json(args.json, results)
    return results


def throughput_modes(args: argparse.Namespace, recipes: list[Recipe]) -> list[Mode]:
    """As ``--speeds`` says. On the CPU, where compiling takes minutes a variant, only if asked for."""
    if args.speeds:
        return [Mode.parse(text) for text in args.speeds.split(',')]
    compiled = args.device == 'cuda' or any(recipe.mode.compile for recipe in recipes)
    names = (*EAGER, *COMPILED) if compiled else EAGER
    return [mode for mode in map(Mode.parse, names) if args.device == 'cuda' or not mode.graphs]


def write_json(file: Path, results: StepResults) -> None:
    """All findings so far."""
    write_whole(file, (json.dumps(results.as_json(), indent=1) + '\n').encode())


def measure_memory(args: argparse.Namespace, recipes: list[Recipe], found: dict[str, VariantResult]) -> None:
    """Peak memory of every variant: in a process of its own on the CPU, alone on a card."""
    for index, recipe in enumerate(tqdm(recipes, desc='peak memory', unit='variant', disable=None)):
        if recipe.without:
            continue
        if args.device == 'cuda':
            peak = peak_of(recipe)
        else:
            options = [f'--{name}={getattr(args, name)}' for name in MEMORY_OPTIONS]
            command = [sys.executable, str(Path(__file__).resolve()), *options, f'--peak-of={index}']
            peak = peak_of_command(command)
        found[recipe.name].peak_bytes, found[recipe.name].idle_bytes = peak['peak'], peak['idle']


MEMORY_OPTIONS = ('size', 'batch', 'width', 'blocks', 'encoder', 'threads', 'modes')


def peak_of(recipe: Recipe) -> dict[str, int]:
    """Peak memory of two steps, and what was held before them, in bytes."""
    if recipe.setting.device == 'cuda':
        reset_card_peak()
    read = card_peak if recipe.setting.device == 'cuda' else process_peak
    variant = build_variant(recipe)
    idle = read()
    for _ in range(2):
        variant.step()
    return {'idle': idle, 'peak': read()}


if __name__ == '__main__':
    sys.exit(main())
