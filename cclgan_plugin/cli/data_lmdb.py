"""``basicsr data lmdb``: images become a database that BasicSR reads."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cclgan_plugin.data.lmdb_build import LmdbBuild
    from cclgan_plugin.data.lmdb_entry import EntrySettings
    from cclgan_plugin.data.lmdb_plan import PlannedImage


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        'lmdb',
        help='make an LMDB of folders or lists',
        description='Make an LMDB of all images below folders, or in lists, as BasicSR and this plugin read '
        'it with io_backend: {type: lmdb}. It gets its name when it is complete; a build that was ended '
        'suddenly goes on where it was. A key is the path without extension in percent-encoding.',
        epilog='Images that are no good are named; the database is then not finished and the exit code is 1, '
        'unless --skip-corrupt leaves them out.',
    )
    parser.add_argument('sources', metavar='SRC', nargs='+', help='a folder, nested or not, or a list (.txt)')
    parser.add_argument('destination', metavar='DST', help='the database, a name that ends in .lmdb')
    parser.add_argument(
        '--list-root', metavar='DIR', help="what lists are relative to (default: the list's folder)"
    )
    parser.add_argument(
        '--encode',
        default='keep',
        choices=('keep', 'png', 'jpg', 'webp'),
        help='keep the original bytes (default; PNG where pixels change), or encode anew',
    )
    parser.add_argument('--crop', type=int, metavar='PIXELS', help='cut into square sub-images of this side')
    parser.add_argument(
        '--step', type=int, metavar='PIXELS', help='from one sub-image to the next (default: --crop)'
    )
    parser.add_argument(
        '--max-size', type=int, metavar='PIXELS', help='shrink images whose longer side is longer'
    )
    parser.add_argument('--verify', action='store_true', help='read everything back and compare it with SRC')
    parser.add_argument('--overwrite', action='store_true', help='replace a database of this name')
    parser.add_argument('--skip-corrupt', action='store_true', help='leave out images that are no good')
    parser.add_argument('--workers', type=int, metavar='N', help='threads (default: one for each processor)')
    parser.set_defaults(run=run, needs_plugins=False)


def run(args: argparse.Namespace) -> int:
    """Builds, or compares what is there; 0 = done, 1 = bad images or differences."""
    from cclgan_plugin.data.lmdb_entry import EntrySettings
    from cclgan_plugin.data.lmdb_plan import plan_lmdb
    from cclgan_plugin.errors import OptionError

    if args.workers is not None and args.workers < 1:
        raise OptionError(f'--workers {args.workers}: at least 1 was expected')
    settings = EntrySettings(args.encode, args.crop, args.step, args.max_size)
    planned = plan_lmdb(args.sources, args.list_root)
    destination = os.path.expanduser(args.destination)
    if args.verify and not args.overwrite and os.path.isfile(os.path.join(destination, 'data.mdb')):
        return _report(destination, _verify(args, destination, planned, settings))
    return _build(args, planned, settings)


def _build(args: argparse.Namespace, planned: Sequence[PlannedImage], settings: EntrySettings) -> int:
    from cclgan_plugin.data.lmdb_build import LmdbBuild

    build = LmdbBuild(args.destination, planned, settings, args.overwrite)
    try:
        return _store(args, build, planned, settings)
    finally:
        build.close()


def _store(
    args: argparse.Namespace, build: LmdbBuild, planned: Sequence[PlannedImage], settings: EntrySettings
) -> int:
    from tqdm import tqdm

    if build.started_anew:
        print(f'An unfinished build {build.started_anew} is started anew.')
    if build.resumed:
        print(f'{build.resumed} of {len(planned)} images were stored by an earlier build; going on.')
    bad = set()
    # disable=None: a bar on a terminal only
    with tqdm(total=len(planned), initial=build.resumed, desc='storing', unit='image', disable=None) as bar:
        for stored in build.run(args.workers):
            bar.update()
            if stored.error is not None:
                bad.add(stored.path)
                tqdm.write(f'no good: {stored.error}', file=sys.stderr)
    if bad and not args.skip_corrupt:
        print(
            f'{args.destination}: not finished, {len(bad)} of {len(planned)} images are no good. Mend or '
            'remove them and run the same command again, which keeps the others; or leave them out with '
            '--skip-corrupt.',
            file=sys.stderr,
        )
        return 1
    build.write_meta_info()
    good = [image for image in planned if image.path not in bad]
    if args.verify and _report(args.destination, _verify(args, build.database, good, settings)):
        return 1
    build.publish()
    print(f'{args.destination}: {len(good)} images' + (f', {len(bad)} left out' if bad else ''))
    return 0


def _verify(
    args: argparse.Namespace, database: str, planned: Sequence[PlannedImage], settings: EntrySettings
) -> list[str]:
    from tqdm import tqdm

    from cclgan_plugin.data.lmdb_verify import verify_lmdb

    problems = []
    left_out = 0
    with tqdm(total=len(planned) + 1, desc='comparing', unit='image', disable=None) as bar:
        for verified in verify_lmdb(database, planned, settings, args.workers):
            bar.update()
            if verified.no_good and args.skip_corrupt:
                left_out += 1
                tqdm.write(f'no good: {verified.problems[0]}', file=sys.stderr)
                continue
            problems += [f'{verified.path}: {problem}' for problem in verified.problems]
    if left_out:
        print(f'{left_out} of {len(planned)} images are no good and left out of the comparison')
    return problems


def _report(database: str, problems: list[str]) -> int:
    for problem in problems:
        print(f'differs: {problem}', file=sys.stderr)
    if problems:
        print(f'{database}: {len(problems)} differences', file=sys.stderr)
        return 1
    print(f'{database}: everything was read back and is as it should be')
    return 0
