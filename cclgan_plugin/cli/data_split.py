"""``basicsr data split``: unpaired lists from paired data, without a scene on two sides."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cclgan_plugin.data.split import Split


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        'split',
        help='make unpaired lists from paired data',
        description='Divide paired data into lists for an unpaired training, no scene on two of them: '
        'OUT_DIR/rainy.txt (meta_info_file_lq), clean.txt (meta_info_file_gt) and val.txt (meta_info_file '
        'of a PairedImageDataset). Scenes that look alike stay together.',
    )
    parser.add_argument('rainy_dir', metavar='RAINY_DIR', help='rainy images')
    parser.add_argument('clean_dir', metavar='CLEAN_DIR', help='the same scenes without rain')
    parser.add_argument('out_dir', metavar='OUT_DIR', help='folder for the lists')
    parser.add_argument(
        '--val', type=float, default=0.1, metavar='SHARE', help='for validation (default: 0.1)'
    )
    parser.add_argument(
        '--rainy',
        type=float,
        default=0.5,
        metavar='SHARE',
        help='of the other scenes, those taken with rain (default: 0.5)',
    )
    parser.add_argument(
        '--scene',
        metavar='REGEX',
        help="what rainy and clean names share, e.g. '(\\d+)' (default: names are the same)",
    )
    parser.add_argument(
        '--by',
        default='similarity',
        choices=('similarity', 'name'),
        help='keep together what looks alike (default), or trust the names alone, which is faster',
    )
    parser.add_argument(
        '--similarity',
        type=float,
        metavar='0..1',
        help='correlation from which scenes look alike (default: 0.85)',
    )
    parser.add_argument('--seed', type=int, default=0, help='other numbers give other lists (default: 0)')
    parser.add_argument('--overwrite', action='store_true', help='replace the lists in OUT_DIR, all of them')
    parser.set_defaults(run=run, needs_plugins=False)


def run(args: argparse.Namespace) -> int:
    """Divides and writes; 0 = done."""
    import numpy as np

    from cclgan_plugin.data.image_folder import find_images
    from cclgan_plugin.data.meta_info import check_listable
    from cclgan_plugin.data.similar_images import similarity
    from cclgan_plugin.data.split import pair_by_scene, split
    from cclgan_plugin.errors import OptionError

    threshold = similarity(args.similarity)
    if not 0 <= args.val < 1:
        raise OptionError(f'--val {args.val:g}: a share from 0 up to, but not including 1 was expected')
    if not 0 < args.rainy < 1:
        raise OptionError(f'--rainy {args.rainy:g}: a share between 0 and 1 was expected')
    rainy, clean = (
        find_images(os.path.expanduser(args.rainy_dir), 'RAINY_DIR'),
        find_images(os.path.expanduser(args.clean_dir), 'CLEAN_DIR'),
    )
    check_listable(rainy, 'RAINY_DIR')
    check_listable(clean, 'CLEAN_DIR')
    versions = pair_by_scene(rainy, clean, args.scene)
    groups = np.arange(len(clean))
    if args.by == 'similarity':
        groups = _groups(os.path.expanduser(args.clean_dir), clean, threshold)
    _write(args, split(rainy, clean, versions, groups, args.val, args.rainy, args.seed))
    return 0


def _groups(root: str, names: list[str], threshold: float) -> Any:
    from tqdm import tqdm

    from cclgan_plugin.data.scene_groups import scene_groups
    from cclgan_plugin.data.sources import FileSource

    # disable=None: a bar on a terminal only
    with tqdm(total=len(names), desc='looking', unit='image', disable=None) as bar:
        groups = scene_groups(FileSource(root, names), threshold, bar.update)
    alike = len(names) - int(groups.max()) - 1
    print(f'{len(names)} clean images, {alike} of them look like another one')
    return groups


def _write(args: argparse.Namespace, made: Split) -> None:
    from cclgan_plugin.data.split import LIST_NAMES, lists_of
    from cclgan_plugin.errors import DataError
    from cclgan_plugin.whole_file import write_whole

    out_dir = os.path.expanduser(args.out_dir)
    files = {os.path.join(out_dir, name): names for name, names in lists_of(made).items()}
    there = [path for name in LIST_NAMES if os.path.lexists(path := os.path.join(out_dir, name))]
    if there and not args.overwrite:
        raise DataError(f'OUT_DIR: "{there[0]}" is there already; --overwrite replaces it')
    for path in there:
        if path not in files:
            # Of another division: its scenes may be on the other lists now.
            os.remove(path)
            print(f'{path}: removed')
    for path, names in files.items():
        write_whole(path, os.fsencode('\n'.join(names) + '\n'))
        print(f'{path}: {len(names)} images')
    print('scenes: ' + ', '.join(f'{name} {count}' for name, count in made.scenes.items()))
