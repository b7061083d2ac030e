"""``basicsr train``: BasicSR's training pipeline."""

from __future__ import annotations

import argparse
from typing import Any

from cclgan_plugin.cli.pipeline import add_pipeline_arguments, run_pipeline

_EXAMPLES = """examples:
  basicsr train -opt options/train_cclgan.yml
  basicsr train -opt options/train_cclgan.yml --auto_resume
  basicsr train -opt options/train_cclgan.yml --force_yml name=my_run train:total_iter=20000
  torchrun --nproc_per_node=2 -m cclgan_plugin train -opt options/train_cclgan.yml --launcher pytorch
"""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command ``train``."""
    parser = subparsers.add_parser(
        'train',
        help='train a model',
        description='Train the model of an options file. The experiment goes to experiments/NAME below the\n'
        'current directory, or below path.root of the options.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_pipeline_arguments(parser, run)


def run(args: argparse.Namespace) -> int:
    """Train, with a progress line on a terminal; 0 = the run reached ``train.total_iter``.

    Raises:
        Stopped: a signal has stopped it, and it can go on.
        TrainingError: it cannot, or another of its processes is gone.
    """
    from basicsr.train import train_pipeline

    from cclgan_plugin.training.progress import follow_training
    from cclgan_plugin.training.rank_watch import end_together
    from cclgan_plugin.training.save_on_error import save_on_error
    from cclgan_plugin.training.stop_signals import stop_on_signals

    with end_together(), follow_training() as progress, stop_on_signals(), save_on_error():
        run_pipeline(train_pipeline, args)
    progress.check_complete()
    return 0
