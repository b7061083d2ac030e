"""``basicsr layers``: the feature levels of the networks of an options file."""

from __future__ import annotations

import argparse
from typing import Any

from cclgan_plugin.cli.pipeline import check_options_file
from cclgan_plugin.options.arguments import add_options_file_arguments
from cclgan_plugin.options.check import OURS

_EXAMPLES = """examples:
  basicsr layers -opt options/contrastive_srmodel_rain800.yml
  basicsr layers -opt options/contrastive_srgan_x4.yml --size 96
"""
_ALL = '* = a feature level, which "layers:" of a loss can name; shapes are channels x height x width'
_DECLARED = (
    '* = a feature level, which "layers:" of lcl_opt (network_g) or inter_ccl_opt (network_d) can name'
)


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command ``layers``."""
    parser = subparsers.add_parser(
        'layers',
        help="show a network's feature levels",
        description='Show the modules of network_g and network_d of an options file with the shapes of\n'
        'their outputs. The names marked with * are feature levels that "layers:" of a loss can name:\n'
        'for CCLGANModel those that the networks declare, for other models every module that gives a map.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_options_file_arguments(parser)
    parser.add_argument(
        '--size',
        type=int,
        default=None,
        metavar='PIXELS',
        help='side of the square image that the generator gets (default: that of the training crops)',
    )
    parser.set_defaults(run=run, check=check_options_file)


def run(args: argparse.Namespace) -> int:
    """Print what * means and a table for each network; 0 = done.

    Raises:
        OptionError: the file describes no such network, or one that does not run on an image.
    """
    from cclgan_plugin.options.force import force_options
    from cclgan_plugin.options.inherit import load_options
    from cclgan_plugin.options.network_layers import network_layers

    loaded = force_options(load_options(args.opt), args.force_yml or [])
    tables = list(network_layers(loaded, args.size))
    print(_DECLARED if loaded.values.get('model_type') == OURS else _ALL, end='\n\n')
    for table in tables:
        print(table)
    return 0
