"""The command line of a training or a test: BasicSR's flags."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

EXAMPLE = """\
examples:
  %(prog)s -opt options/train_cclgan.yml
  %(prog)s -opt options/train_cclgan.yml --auto_resume
  %(prog)s -opt options/train_cclgan.yml --force_yml train:total_iter=1000 train:optim_g:lr=1e-4 val=null
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``basicsr train`` and ``basicsr test`` to a parser."""
    add_options_file_arguments(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='who started the processes: pytorch = torchrun (default: none, a single process)',
    )
    parser.add_argument(
        '--auto_resume',
        '--auto-resume',
        action='store_true',
        help="go on from the run's last saved state, if any",
    )
    parser.add_argument(
        '--debug', action='store_true', help='validate and save every 8 iterations, in a folder debug_NAME'
    )
    # Given by older launchers; torchrun says it in the environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_options_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes that reads an options file: the file, overrides, and ``--plugin``."""
    parser.add_argument(
        '-opt', '--opt', type=str, required=True, metavar='FILE', help='the options file (.yml)'
    )
    parser.add_argument(
        '--force_yml',
        '--force-yml',
        nargs='+',
        action='extend',
        default=None,
        metavar='KEY:KEY=VALUE',
        help='override options, e.g. train:ema_decay=0.999; the value is YAML, null switches something off',
    )
    add_plugin_argument(parser)


def add_plugin_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--plugin`` for packages that register parts with BasicSR and have no entry point that says so."""
    parser.add_argument(
        '--plugin',
        action='append',
        default=[],
        metavar='PACKAGE',
        help='import an installed package that registers parts with BasicSR; may be given several times',
    )


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line; ``sys.argv`` by default."""
    parser = argparse.ArgumentParser(epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return parser.parse_args(arguments)
