"""One run in one folder: a second one of the same name would rename it, and both would write into it."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from cclgan_plugin.errors import OptionError

#: Seconds after which the workers of a run that was killed have ended too.
PATIENCE = 15.0

_held: dict[Path, FileLock] = {}


def claim(folder: str | os.PathLike[str]) -> None:
    """Claim an experiment's folder, which need not exist yet, until this process ends.

    The lock is a hidden file beside the folder, which may be renamed; the system gives it back, whatever
    ends the process. Where a file system knows no locks, nothing is claimed.

    Raises:
        OptionError: another process has claimed it.
    """
    folder = Path(os.path.realpath(folder))
    if folder in _held:
        return
    lock = FileLock(folder.parent / f'.{folder.name}.lock')
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(PATIENCE)
    except Timeout:
        raise OptionError(
            f'name: a run of this name is going on in {folder}; wait for its end, or choose another name'
        ) from None
    except (OSError, NotImplementedError):
        return
    _held[folder] = lock
