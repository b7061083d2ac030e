"""CCLGAN for BasicSR: unsupervised image deraining by cycle contrastive adversarial learning.

Importing this package mends BasicSR for today's stack and registers every part of CCLGAN with it, also when
BasicSR has been imported before, or has failed to. A script then needs nothing else::

    import cclgan_plugin
    from basicsr.train import train_pipeline
"""

from __future__ import annotations

import multiprocessing
import sys
from itertools import pairwise
from pathlib import PurePath

__version__ = '0.1.0'


def load() -> None:
    """Mend BasicSR and register every part of CCLGAN. Once; later calls do nothing."""
    from cclgan_plugin import mends

    mends.apply()

    from cclgan_plugin import archs, encoders, losses, models  # noqa: F401
    from cclgan_plugin.data import unpaired_image_dataset  # noqa: F401
    from cclgan_plugin.zoo import address

    address.register()


def _is_command() -> bool:
    """True in the process that starts as the command ``basicsr`` or as ``python -m cclgan_plugin``.

    Loading takes seconds, which ``--help`` and a mistyped option need not wait for: the command loads the
    plugin itself, once it knows what it is asked to do. Processes that it starts load it at once.
    """
    if multiprocessing.parent_process() is not None:
        return False
    program = sys.argv[0] if sys.argv else ''
    if program == '-m':
        # While a package is looked up for "python -m", its name is only in the original arguments.
        arguments = sys.orig_argv
        return any(flag == '-m' and name.split('.')[0] == __name__ for flag, name in pairwise(arguments))
    return PurePath(program).stem == 'basicsr'


if not _is_command():
    load()
