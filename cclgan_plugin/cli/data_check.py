"""``basicsr data check``: what is wrong with image sets, before a training finds out."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from cclgan_plugin.options.arguments import add_plugin_argument

if TYPE_CHECKING:
    from cclgan_plugin.data.check_sets import CheckedSet


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        'check',
        help='decode everything; find corrupt, small, double and leaking images',
        description='Decode all images of an options file, of folders or of LMDBs, and find those that are '
        'corrupt, smaller than the crop or there twice, and scenes that training and test share, or the '
        'rainy and the clean side of an unpaired training. In a folder, subfolders named rainy / input / lq, '
        'clean / norain / target / gt, train, test / val tell what is what.',
        epilog='Exit code: 0 = nothing wrong, 1 = errors found (with --strict: or warnings).',
    )
    parser.add_argument(
        'targets', metavar='TARGET', nargs='+', help='an options file (.yml), folders, or LMDBs'
    )
    parser.add_argument('--json', metavar='FILE', help='write everything that was found as JSON')
    parser.add_argument(
        '--sheet',
        metavar='FILE',
        help='write a picture (.png) with images of every set; outside of their folders',
    )
    parser.add_argument('--crop', type=int, metavar='PIXELS', help='side of the training crop, for folders')
    parser.add_argument(
        '--paired', action='store_true', help='the training images in folders or LMDBs are pairs on purpose'
    )
    parser.add_argument(
        '--similarity',
        type=float,
        metavar='0..1',
        help='correlation from which two images show the same scene (default: 0.85)',
    )
    parser.add_argument('--strict', action='store_true', help='warnings count as errors')
    parser.add_argument('--all', action='store_true', help='print every finding, not the first 10 of a kind')
    parser.add_argument('--workers', type=int, metavar='N', help='threads (default: one for each processor)')
    add_plugin_argument(parser)
    # Images can be checked without BasicSR; what an options file needs is loaded with it.
    parser.set_defaults(run=run, needs_plugins=False)


def run(args: argparse.Namespace) -> int:
    """Checks and reports; 0 = nothing wrong, 1 = errors."""
    from tqdm import tqdm

    from cclgan_plugin.data import check_report
    from cclgan_plugin.data.check import check_sets
    from cclgan_plugin.data.check_outputs import check_outputs
    from cclgan_plugin.data.image_file import encode_image
    from cclgan_plugin.data.similar_images import similarity
    from cclgan_plugin.errors import OptionError
    from cclgan_plugin.whole_file import write_whole

    threshold = similarity(args.similarity)
    if args.sheet is not None and not args.sheet.lower().endswith('.png'):
        raise OptionError(f'--sheet {args.sheet}: a name that ends in .png was expected')
    for name in ('crop', 'workers'):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise OptionError(f'--{name} {value}: at least 1 was expected')
    sets = _sets(args)
    check_outputs(args.sheet, args.json, {one.source.root for one in sets})
    total = sum(len(one.source) for one in sets)
    # disable=None: a bar on a terminal only
    with tqdm(total=total, desc='decoding', unit='image', disable=None) as bar:
        checked = check_sets(sets, threshold, args.workers, bar.update)
    print(check_report.table(checked))
    if len(sets) > 1 and not any(one.side for one in sets):
        print(
            'no name tells the rainy side from the clean one: images that both have were not looked for '
            '(name folders rainy and clean, or check an options file)'
        )
    for sentence in check_report.sentences(checked, None if args.all else 10):
        print(sentence.encode('utf-8', 'backslashreplace').decode())
    if args.json is not None:
        text = json.dumps(check_report.as_data(checked), indent=1, ensure_ascii=True) + '\n'
        write_whole(args.json, text.encode())
    if args.sheet is not None:
        write_whole(args.sheet, encode_image(check_report.contact_sheet(checked), '.png'))
    warnings = len(checked.findings) - len(checked.errors)
    print(f'{total} images: {len(checked.errors)} errors, {warnings} warnings')
    return 1 if checked.errors or (args.strict and warnings) else 0


def _sets(args: argparse.Namespace) -> list[CheckedSet]:
    from cclgan_plugin.data.check_sets import sets_of_options, sets_of_places
    from cclgan_plugin.errors import OptionError

    files = [target for target in args.targets if os.path.isfile(os.path.expanduser(target))]
    if not files:
        return sets_of_places(args.targets, args.crop, args.paired)
    if len(args.targets) > 1:
        raise OptionError(f'TARGET: "{files[0]}" is a file; an options file is checked by itself')
    from cclgan_plugin.options.inherit import load_options

    try:
        loaded = load_options(files[0])
        if 'model_type' in loaded.values:
            # Of a whole training: a misspelt gt_size would be a crop that nobody has asked for.
            from cclgan_plugin.cli.plugins import load_plugins
            from cclgan_plugin.options.check import check_options

            load_plugins(args.plugin)
            datasets = loaded.values.get('datasets')
            check_options(loaded, is_train=isinstance(datasets, dict) and 'train' in datasets)
        return sets_of_options(loaded.values.get('datasets'))
    except OptionError as error:
        message = str(error)
        raise OptionError(message if files[0] in message else f'{files[0]}: {message}') from error
