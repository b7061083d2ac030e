"""``basicsr data demo``: a small set to try things out."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        'demo',
        help='write a small rainy / clean / validation set',
        description='Write a small set to try things out: DIR/rainy and DIR/clean (unpaired), DIR/val/rainy '
        'and DIR/val/clean (pairs), DIR/preview.png. The photographs ship with scikit-image, the rain is '
        'rendered.',
    )
    parser.add_argument('dir', metavar='DIR', help='folder to write to, new or empty')
    parser.add_argument('--overwrite', action='store_true', help='replace the set in DIR; other files stay')
    parser.add_argument('--seed', type=int, default=0, help='other numbers give other rain (default: 0)')
    parser.set_defaults(run=run, needs_plugins=False)


def run(args: argparse.Namespace) -> int:
    """Writes the set; 0 = done."""
    from cclgan_plugin.data.demo import write_demo

    written = write_demo(args.dir, args.overwrite, args.seed)
    for folder, count in sorted(written.counts.items()):
        print(f'{written.root}/{folder}: {count} images')
    print(f'{written.preview}: what they look like')
    return 0
