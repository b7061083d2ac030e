"""Every entry of ``path:`` that BasicSR does not know becomes a folder, even the path of a weights file.
An existing experiment is renamed although the start then fails on a typo, or a run still writes into it. Of
two starts within one second, the second cannot rename.

In every release: ``make_exp_dirs`` and ``mkdir_and_rename``. May go when they make known folders only,
after everything else has been checked.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from basicsr.utils.dist_util import get_dist_info

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace
from cclgan_plugin.training.distributed import wait_for_all
from cclgan_plugin.training.run_lock import claim

__all__ = ['apply', 'before_create', 'check_before', 'make_exp_dirs', 'mkdir_and_rename', 'needed']

#: Called with the options before anything is created or renamed; raises a ``UserError`` to stop the start.
before_create: list[Callable[[dict[str, Any]], None]] = []

#: The entries of ``path:`` that are folders of the experiment.
FOLDERS = ('models', 'training_states', 'log', 'visualization')


def check_before(opt: dict[str, Any]) -> None:
    """Run the checks that must hold before a run touches its folders, in every process, and claim them."""
    for check in before_create:
        check(opt)
    # Nothing is renamed before all processes have found nothing wrong.
    wait_for_all()
    if get_dist_info()[0] == 0:
        claim(opt['path']['experiments_root' if opt['is_train'] else 'results_root'])


def mkdir_and_rename(path: str) -> None:
    """Make the folder ``path``; what was there keeps its contents under another name, with the time.

    Raises:
        OptionError: the folder cannot be made there.
    """
    from basicsr.utils.misc import get_time_str

    try:
        if os.path.lexists(path):
            archived = stem = f'{path}_archived_{get_time_str()}'
            number = 1
            while os.path.lexists(archived):
                number += 1
                archived = f'{stem}_{number}'
            os.rename(path, archived)
            print(f'{path} exists already and is now {archived}', flush=True)
        os.makedirs(path)
    except OSError as error:
        raise OptionError(f'The folder {path} cannot be made: {error.strerror or error}') from error


def make_exp_dirs(opt: dict[str, Any]) -> None:
    """Check, then make the folders of a training run or a test run.

    Every process runs the checks, so that all of them stop together; the first one makes the folders.
    """
    check_before(opt)
    if get_dist_info()[0] != 0:
        return
    paths = opt['path']
    mkdir_and_rename(paths['experiments_root' if opt['is_train'] else 'results_root'])
    for name in FOLDERS:
        if paths.get(name):
            Path(paths[name]).mkdir(parents=True, exist_ok=True)


def apply() -> None:
    """Make the folders of every run this way."""
    from basicsr.utils import misc

    replace(misc.make_exp_dirs, make_exp_dirs)
    replace(misc.mkdir_and_rename, mkdir_and_rename)
