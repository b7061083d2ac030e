"""One run in one folder: a second one of the same name would rename it, and both would write into it."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from cclgan_plugin.errors import OptionError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Seconds after which the workers of a run that was killed have ended too.
PATIENCE = 15.0
_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EINTR)

_held: dict[Path, int] = {}


def claim(folder: str | os.PathLike[str]) -> None:
    """Claim an experiment's folder, which need not exist yet, until this process ends.

    The lock is a hidden file beside the folder, which may be renamed; the system gives it back, whatever
    ends the process. Where a system or a file system knows no locks, nothing is claimed: the file by itself
    means nothing, since a machine that goes down would leave it behind.

    Raises:
        OptionError: another process has claimed it.
    """
    folder = Path(os.path.realpath(folder))
    if fcntl is None or folder in _held:
        return
    file = folder.parent / f'.{folder.name}.lock'
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return  # what cannot be written there is said when it is to be written
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN and time.monotonic() < end:
                time.sleep(0.05)
                continue
            os.close(handle)
            if error.errno not in _TAKEN:
                return
            raise OptionError(
                f'name: a run of this name is going on in {folder}; wait for its end, or choose another name '
                f'(it holds {file})'
            ) from None
        _held[folder] = handle
        return
