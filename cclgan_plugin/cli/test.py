"""``basicsr test``: BasicSR's testing pipeline."""

from __future__ import annotations

import argparse
from typing import Any

from cclgan_plugin.cli.pipeline import add_pipeline_arguments, run_pipeline

_EXAMPLES = """examples:
  basicsr test -opt options/test_cclgan.yml
  basicsr test -opt options/test_cclgan.yml --force_yml path:pretrain_network_g=net_g_latest.pth
"""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command ``test``."""
    parser = subparsers.add_parser(
        'test',
        help='run a trained model on images, and measure where there is ground truth',
        description='Run the model of an options file on its test sets. Images and the log with the metrics\n'
        'go to results/NAME below the current directory, or below path.root of the options.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_pipeline_arguments(parser, run)


def run(args: argparse.Namespace) -> int:
    """Test; 0 = all sets were gone through."""
    from basicsr.test import test_pipeline

    run_pipeline(test_pipeline, args)
    return 0
