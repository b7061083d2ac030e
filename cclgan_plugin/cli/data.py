"""``basicsr data``: everything that is done to images before a training."""

from __future__ import annotations

import argparse
from typing import Any

from cclgan_plugin.cli import data_check, data_demo, data_lmdb, data_rain, data_split

_EXAMPLES = """examples:
  basicsr data demo datasets/demo
  basicsr data rain photos rainy_photos
  basicsr data rain photos rainy_photos --type downpour --angle 15 --vary 0.3
  basicsr data split rainy clean lists --val 0.1
  basicsr data lmdb photos photos.lmdb --verify
  basicsr data check options/train_cclgan.yml --sheet check.png
"""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Adds the command ``data`` with its own commands, each in a file of its own."""
    parser = subparsers.add_parser(
        'data',
        help='make and check training and test images',
        description='Make and check training and test images.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='data_command', required=True, metavar='COMMAND')
    for command in (data_demo, data_rain, data_split, data_check, data_lmdb):
        command.add_parser(commands)
