"""Train CCLGAN, its peers and its ablations on the same data at the same cost, and test them.

    python benchmarks/methods.py rain800                     what results/methods.jsonl lacks at the cpu scale
    python benchmarks/methods.py rain800 --plan              what that would be, and about how long it takes
    python benchmarks/methods.py rain800 --methods cut --seeds 1,2
    python benchmarks/methods.py rain800 --results again.jsonl     run again what is in the results already
    python benchmarks/methods.py real --pictures DIR         what the trained ones make of test pictures
    python benchmarks/methods.py zoo --zoo derain-small      test published weights, and write nothing
    python benchmarks/methods.py --pages                     tables and picture out of the results
    python benchmarks/methods.py --check-pages               are they the results'?

Interrupted? The same command goes on. ``benchmarks/README.md`` explains the figures.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.comparison.pictures import write_pictures  # noqa: E402
from benchmarks.comparison.plan_files import Protocol, read_methods, read_protocol, read_scale  # noqa: E402
from benchmarks.comparison.published import check_pages, write_pages  # noqa: E402
from benchmarks.comparison.results import FILE, Result, append_result, read_results  # noqa: E402
from benchmarks.comparison.runs import (  # noqa: E402
    Places,
    Run,
    check_leaks,
    published_tested,
    trained_and_tested,
)
from cclgan_plugin.errors import OptionError, did_you_mean, run_as_command  # noqa: E402

DATA = ROOT / 'datasets' / 'deraining'


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog='methods.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('protocol', nargs='?', help='a file of benchmarks/protocols, by its name')
    add('--scale', default='cpu', help='how much each method gets, see protocols/scales.yml (cpu)')
    add('--methods', help='a list such as cut,cclgan (all of protocols/methods.yml)')
    add('--seeds', default='0', help='a list of numbers (0)')
    add('--zoo', metavar='NAME', help='test these published weights, or a file of weights, instead')
    add('--data', type=Path, default=DATA, help='the data folder (datasets/deraining)')
    add('--weights', type=Path, help='folder of vgg19_imagenet_conv_u8.npz (weights, beside the data folder)')
    add(
        '--work',
        type=Path,
        help="where trainings are kept (experiments/methods, or the results file's own name)",
    )
    add('--results', type=Path, help="the results file (this repository's; with --zoo none)")
    add('--threads', type=int, default=1, help='threads of the CPU for a training (1)')
    add('--plan', action='store_true', help='say what would be run, and run nothing')
    add('--pictures', type=Path, metavar='DIR', help='show test pictures side by side, and run nothing')
    pages = parser.add_mutually_exclusive_group()
    pages.add_argument('--pages', action='store_true', help='write tables and picture out of the results')
    pages.add_argument('--check-pages', action='store_true', help='exit with 1 where they are out of date')
    args = parser.parse_args(argv)
    if args.work is None:
        # Results that are wanted again are not those of the trainings that are there already.
        args.work = ROOT / 'experiments' / (args.results or FILE).stem
    if args.results is None and not args.zoo:
        args.results = FILE
    if not (args.protocol or args.pages or args.check_pages):
        parser.error('name a protocol, or give --pages or --check-pages')
    return args


def planned(protocol: Protocol, args: argparse.Namespace) -> list[Run]:
    """The runs that the command line asks for."""
    methods, scale = read_methods(), read_scale(args.scale)
    names = args.methods.split(',') if args.methods else list(methods)
    runs = []
    for name in names:
        if name not in methods:
            hint = did_you_mean(name, methods)
            raise OptionError(f'--methods {name}: expected some of {", ".join(methods)}.{hint}')
        method = methods[name]
        if method.pairs and protocol.truth is None:
            if args.methods:
                raise OptionError(f'--methods {name}: protocol {protocol.name} knows no truth to learn from')
            continue
        seeds = map(int, args.seeds.split(',')) if method.base else (0,)
        runs += [Run(method, scale, protocol, seed) for seed in seeds]
    return runs


def missing(runs: Sequence[Run], results: Path) -> list[Run]:
    """Those without a result of the same options."""
    done = {(*result.key, result.options) for result in read_results(results)}
    return [
        run
        for run in runs
        if (run.protocol.name, run.scale.name, run.method.name, run.seed, run.options) not in done
    ]


def say_plan(runs: Sequence[Run], protocol: Protocol, args: argparse.Namespace) -> None:
    """Print what is to be run, and how long it took elsewhere."""
    every = (*read_results(FILE), *read_results(args.results))
    results = [r for r in every if r.scale == args.scale and r.seconds]
    total, unknown = 0.0, 0
    for run in runs:
        known = [r.seconds for r in results if r.method == run.method.name] or [r.seconds for r in results]
        told = ''
        if run.method.base and known:
            total += mean(known)
            told = f'about {mean(known) / 60:.0f} min'
        elif run.method.base:
            unknown += 1
        print(f'  {run.method.name:24s} seed {run.seed}  {told}')
    more = f' (and {unknown} of unknown length)' if unknown else ''
    print(f'{protocol.name}, {args.scale}: {len(runs)} runs, about {total / 60:.0f} min{more}', flush=True)
    if not runs:
        print(f'{args.results} has all of them; --results NEW_FILE runs them again')


def say_result(result: Result) -> None:
    """Print the means of a run's tests."""
    tests = (
        f'{test}: {", ".join(f"{metric} {value:.4g}" for metric, value in means.items())}'
        for test, means in result.means.items()
    )
    print(f'  {result.method:24s} seed {result.seed}  {"; ".join(tests)}', flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing; 1 = pages are out of date."""
    args = parse(argv)
    logging.getLogger('basicsr').setLevel(logging.ERROR)
    if args.check_pages:
        return check_pages(ROOT, args.results or FILE)
    if args.protocol:
        protocol, data = read_protocol(args.protocol), args.data.resolve()
        weights = (args.weights or data.parent / 'weights').resolve()
        places = Places(data, weights, args.work.resolve(), args.threads)
        if args.zoo:
            result = published_tested(protocol, args.zoo, places)
            if args.results:
                append_result(result, args.results)
            say_result(result)
        else:
            runs = planned(protocol, args)
            if args.pictures:
                for file in write_pictures(runs, places, args.pictures):
                    print(file)
                return 0
            runs = missing(runs, args.results)
            say_plan(runs, protocol, args)
            if args.plan:
                return 0
            if runs:
                check_leaks(protocol, places)
            for run in runs:
                result = trained_and_tested(run, places)
                append_result(result, args.results)
                say_result(result)
    if args.pages:
        write_pages(ROOT, args.results or FILE)
    return 0


if __name__ == '__main__':
    run_as_command(main)
