"""Train CCLGAN, its peers and its ablations on the same data at the same cost, and test them.

    python benchmarks/methods.py rain800                     what results/methods.jsonl lacks at the cpu scale
    python benchmarks/methods.py rain800 --plan              what that would be, and about how long it takes
    python benchmarks/methods.py rain800 --methods cut --seeds 1,2
    python benchmarks/methods.py zoo --zoo cclgan-small      test published weights
    python benchmarks/methods.py --pages                     tables and picture out of the results
    python benchmarks/methods.py --check-pages               are they the results'?

Interrupted? The same command goes on. ``benchmarks/README.md`` explains the figures.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.comparison.plan_files import Method, Protocol, read_methods, read_protocol, read_scale  # noqa: E402
from benchmarks.comparison.published import check_pages, write_pages  # noqa: E402
from benchmarks.comparison.recipes import options_hash, run_name, training_options, write_options  # noqa: E402
from benchmarks.comparison.results import FILE, Result, append_result, read_results  # noqa: E402
from benchmarks.comparison.running import train  # noqa: E402
from benchmarks.comparison.scoring import Picture, score  # noqa: E402
from benchmarks.comparison.training_data import write_check, write_lists, write_pairs  # noqa: E402
from benchmarks.machine import describe  # noqa: E402
from cclgan_plugin.checksum import sha256_of  # noqa: E402
from cclgan_plugin.errors import DataError, OptionError, UserError, did_you_mean  # noqa: E402

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
    add(
        '--data',
        type=Path,
        default=DATA,
        help='the data folder (datasets/deraining)',
    )
    add('--weights', type=Path, help='folder of vgg19_imagenet_conv_u8.npz (weights, beside the data folder)')
    add('--work', type=Path, default=ROOT / 'experiments' / 'methods', help='where trainings are kept')
    add('--results', type=Path, default=FILE, help='the results file')
    add('--threads', type=int, default=1, help='threads of the CPU for a training (1)')
    add('--plan', action='store_true', help='say what would be run, and run nothing')
    pages = parser.add_mutually_exclusive_group()
    pages.add_argument('--pages', action='store_true', help='write tables and picture out of the results')
    pages.add_argument('--check-pages', action='store_true', help='exit with 1 where they are out of date')
    args = parser.parse_args(argv)
    if not (args.protocol or args.pages or args.check_pages):
        parser.error('name a protocol, or give --pages or --check-pages')
    args.data, args.work = args.data.resolve(), args.work.resolve()
    args.weights = (args.weights or args.data.parent / 'weights').resolve()
    return args


def missing(protocol: Protocol, args: argparse.Namespace) -> list[tuple[Method, int, str]]:
    """The runs without a result of the same options: method, seed and hash of the options."""
    methods, scale = read_methods(), read_scale(args.scale)
    names = (
        args.methods.split(',') if args.methods else [n for n, m in methods.items() if _suits(m, protocol)]
    )
    done = {(*result.key, result.options) for result in read_results(args.results)}
    runs = []
    for name in names:
        if name not in methods:
            raise OptionError(
                f'--methods {name}: expected some of {", ".join(methods)}.{did_you_mean(name, methods)}'
            )
        method = methods[name]
        for seed in map(int, args.seeds.split(',')) if method.base else (0,):
            digits = options_hash(training_options(method, scale, protocol, seed)) if method.base else ''
            if (protocol.name, scale.name, name, seed, digits) not in done:
                runs.append((method, seed, digits))
    return runs


def _suits(method: Method, protocol: Protocol) -> bool:
    return not method.pairs or protocol.truth is not None


def say_plan(runs: Sequence[tuple[Method, int, str]], protocol: Protocol, args: argparse.Namespace) -> None:
    """Print what is to be run, and how long it took elsewhere."""
    results = [r for r in read_results(args.results) if r.scale == args.scale and r.seconds]
    total, unknown = 0.0, 0
    for method, seed, _ in runs:
        known = [r.seconds for r in results if r.method == method.name] or [r.seconds for r in results]
        told = ''
        if method.base and known:
            total += mean(known)
            told = f'about {mean(known) / 60:.0f} min'
        elif method.base:
            unknown += 1
        print(f'  {method.name:24s} seed {seed}  {told}')
    more = f' (and {unknown} of unknown length)' if unknown else ''
    print(f'{protocol.name}, {args.scale}: {len(runs)} runs, about {total / 60:.0f} min{more}')


def check_leaks(protocol: Protocol, args: argparse.Namespace) -> None:
    """No test scene in a training list, by ``basicsr data check``; once for each set of lists.

    Raises:
        DataError: there is one; the command has printed which.
    """
    file = write_check(protocol, args.data, args.work)
    read = [file, *sorted((args.work / 'lists').glob(f'{protocol.name}-*.txt'))]
    digests = '\n'.join(sha256_of(one) for one in read)
    mark = file.with_suffix('.passed')
    if mark.exists() and mark.read_text('ascii') == digests:
        return
    command = [sys.executable, '-m', 'cclgan_plugin', 'data', 'check', str(file), '--similarity', '0.97']
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    if subprocess.run(command, env={**os.environ, 'PYTHONPATH': paths}, check=False).returncode:
        raise DataError(f'{protocol.name}: the training lists are not fit for these tests, see above')
    mark.write_text(digests, 'ascii')


def run_one(protocol: Protocol, method: Method, seed: int, digits: str, args: argparse.Namespace) -> Result:
    """Train (where there is something to train) and test."""
    scale = read_scale(args.scale)
    if method.base is None:
        return _scored(protocol, args, method.name, seed, digits, lambda image: image)
    if protocol.rainy is None:
        raise OptionError(f'{protocol.name}: nothing to train on; it tests published weights: --zoo NAME')
    from cclgan_plugin.inference.derainer import Derainer

    write_lists(protocol, args.data, args.work)
    if method.pairs:
        write_pairs(protocol, args.data, args.work)
    # Other options, another folder: nothing of an older training is mistaken for this one.
    name = f'{run_name(method, scale, protocol, seed)}-{digits}'
    file = args.work / 'options' / f'{name}.yml'
    options = {**training_options(method, scale, protocol, seed), 'name': name}
    write_options(options, file, {'data': args.data, 'work': args.work, 'weights': args.weights})
    checkpoint, costs = train(file, name, scale.iterations, args.threads, args.work)
    derainer = Derainer.from_pretrained(checkpoint)
    found = _scored(protocol, args, method.name, seed, digits, derainer)
    return Result(
        **{
            **found.__dict__,
            'steps': scale.iterations,
            'seconds': costs.seconds,
            'peak_memory': costs.peak_memory,
        }
    )


def run_zoo(protocol: Protocol, name: str, args: argparse.Namespace) -> Result:
    """Test published weights, or the input itself."""
    args.scale = 'zoo'
    if name == 'input':
        return _scored(protocol, args, name, 0, '', lambda image: image)
    from cclgan_plugin.inference.derainer import Derainer
    from cclgan_plugin.inference.pretrained import find_weights

    digits = sha256_of(find_weights(name)[1])[:12]
    return _scored(protocol, args, Path(name).stem, 0, digits, Derainer.from_pretrained(name))


def _scored(
    protocol: Protocol, args: argparse.Namespace, method: str, seed: int, digits: str, derain: Picture
) -> Result:
    from cclgan_plugin.inference.measuring import means

    images = {test.name: score(derain, test, args.data) for test in protocol.tests}
    return Result(
        protocol=protocol.name,
        scale=args.scale,
        method=method,
        seed=seed,
        options=digits,
        machine=describe('cpu', args.threads),
        steps=0,
        seconds=0.0,
        peak_memory=0,
        means={name: means(table) for name, table in images.items()},
        images=images,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing; 1 = pages are out of date."""
    args = parse(argv)
    logging.getLogger('basicsr').setLevel(logging.ERROR)
    if args.check_pages:
        return check_pages(ROOT, args.results)
    if args.protocol:
        protocol = read_protocol(args.protocol)
        if args.zoo:
            append_result(run_zoo(protocol, args.zoo, args), args.results)
        else:
            runs = missing(protocol, args)
            say_plan(runs, protocol, args)
            if args.plan:
                return 0
            if runs:
                check_leaks(protocol, args)
            for method, seed, digits in runs:
                append_result(run_one(protocol, method, seed, digits, args), args.results)
    if args.pages:
        write_pages(ROOT, args.results)
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f'error: {error}')
