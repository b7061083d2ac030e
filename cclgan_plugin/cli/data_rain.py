"""``basicsr data rain``: rain on anyone's photographs."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields, replace
from typing import Any


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    from cclgan_plugin.data.rain_params import RAIN_TYPES, RainParams

    parser = commands.add_parser(
        'rain',
        help='render rain on photographs',
        description='Render rain on all photographs below CLEAN_DIR. OUT_DIR gets the same tree, names and '
        'formats, as pairs need them (JPEG in quality 95; 16-bit PNG and TIFF stay 16-bit).',
        epilog='A file that is no photograph is named and left out; the exit code is then 1.',
    )
    parser.add_argument('clean_dir', metavar='CLEAN_DIR', help='folder of photographs, nested or not')
    parser.add_argument('out_dir', metavar='OUT_DIR', help='folder for the rainy ones, new or empty')
    parser.add_argument('--overwrite', action='store_true', help='replace images in OUT_DIR')
    parser.add_argument('--seed', type=int, default=0, help='other numbers give other drops (default: 0)')
    parser.add_argument(
        '--vary', type=float, default=0, metavar='0..1', help='how much the rain differs between photographs'
    )
    parser.add_argument(
        '--type', default='rain', choices=tuple(RAIN_TYPES), help='kind of rain; sets all of the following'
    )
    parser.add_argument('--masks', metavar='DIR', help='write the streaks alone too, as NAME.png')
    parser.add_argument(
        '--preview', metavar='FILE', help='write a picture (.png) with some photographs in every kind of rain'
    )
    for number in fields(RainParams):
        low, high, meaning = (number.metadata[key] for key in ('low', 'high', 'meaning'))
        values = ', '.join(f'{name} {getattr(kind, number.name):g}' for name, kind in RAIN_TYPES.items())
        parser.add_argument(
            f'--{number.name.replace("_", "-")}',
            type=float,
            metavar='X',
            help=f'{meaning}; {low:g} to {high:g} ({values})',
        )
    parser.set_defaults(run=run, needs_plugins=False)


def run(args: argparse.Namespace) -> int:
    """Renders; 0 = all done, 1 = done except for some bad photographs."""
    from tqdm import tqdm

    from cclgan_plugin.data.image_file import encode_image
    from cclgan_plugin.data.rain_folder import keep_apart, plan, rain_on_folder
    from cclgan_plugin.data.rain_params import RainParams, rain_type
    from cclgan_plugin.data.rain_preview import rain_preview
    from cclgan_plugin.errors import OptionError
    from cclgan_plugin.whole_file import write_whole

    given = {number.name: getattr(args, number.name) for number in fields(RainParams)}
    changes = {name: value for name, value in given.items() if value is not None}
    params = replace(rain_type(args.type), **changes)
    if not 0 <= args.vary <= 1:
        raise OptionError(f'--vary {args.vary:g}, expected a number from 0 to 1')
    if args.preview is not None and not args.preview.lower().endswith('.png'):
        raise OptionError(f'--preview {args.preview}: a name that ends in .png was expected')
    names = plan(args.clean_dir, args.out_dir, args.overwrite)
    if args.masks is not None:
        plan(args.clean_dir, args.masks, args.overwrite, 'MASKS', '.png')
        # Masks among the rainy images would be taken for rainy images.
        keep_apart(args.masks, args.out_dir, 'MASKS')
    if args.preview is not None:
        for folder in (args.clean_dir, args.out_dir, args.masks):
            if folder is not None:
                keep_apart(args.preview, folder, '--preview')
    bad = 0
    # disable=None: a bar on a terminal only
    with tqdm(total=len(names), unit='image', disable=None) as bar:
        for rained in rain_on_folder(
            args.clean_dir, args.out_dir, names, params, args.seed, args.vary, args.masks
        ):
            bar.update()
            if rained.error is not None:
                bad += 1
                tqdm.write(f'left out: {rained.error}', file=sys.stderr)
    if args.preview is not None:
        write_whole(args.preview, encode_image(rain_preview(args.clean_dir, names, args.seed), '.png'))
    print(f'{args.out_dir}: {len(names) - bad} rainy images' + (f', {bad} left out' if bad else ''))
    return 1 if bad else 0
