"""What ``basicsr train`` and ``basicsr test`` share: BasicSR's flags, and running one of its pipelines
with them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from cclgan_plugin.options.arguments import add_arguments
from cclgan_plugin.options.yaml_file import read_yaml


def add_pipeline_arguments(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Give ``parser`` BasicSR's flags, and let the command be carried out by ``run``."""
    add_arguments(parser)
    parser.set_defaults(run=run, check=check_options_file)


def check_options_file(args: argparse.Namespace) -> None:
    """See that the options file can be read, before anything slow is loaded.

    Raises:
        OptionError: it cannot.
    """
    read_yaml(args.opt)


def run_pipeline(pipeline: Callable[[str], None], args: argparse.Namespace) -> None:
    """Run one of BasicSR's pipelines below ``path.root`` of the options, or else the current directory.

    Args:
        pipeline: ``train_pipeline`` or ``test_pipeline``; both read ``sys.argv``.
        args: as parsed, with all ``arguments`` of the command in their order.
    """
    from cclgan_plugin.mends import distributed_start

    before = sys.argv
    sys.argv = [f'basicsr {args.command}', *args.arguments]
    try:
        pipeline(_root(args))
    except BaseException:
        distributed_start.abandon()
        raise
    finally:
        sys.argv = before


def _root(args: argparse.Namespace) -> str:
    """Where experiments/, results/ and tb_logger/ go."""
    from cclgan_plugin.options.force import force_options
    from cclgan_plugin.options.inherit import load_options

    paths = force_options(load_options(args.opt), args.force_yml or []).values.get('path')
    root = paths.get('root') if isinstance(paths, dict) else None
    # A root that is no text is an error, which the check of all options is about to report.
    return os.path.abspath(os.path.expanduser(root)) if root and isinstance(root, str) else os.getcwd()
