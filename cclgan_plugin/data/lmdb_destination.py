"""Where a database may be built, and that only one process builds it there."""

from __future__ import annotations

import contextlib
import os

from cclgan_plugin.errors import DataError


def check_destination(destination: str, overwrite: bool) -> None:
    """Makes sure that a database may get this name.

    Raises:
        DataError: BasicSR would not take the name, or something is there that must not be replaced.
    """
    if not destination.endswith('.lmdb'):
        raise DataError(f'DST: "{destination}": BasicSR reads databases whose name ends in .lmdb')
    if not os.path.lexists(destination):
        return
    if not os.path.isfile(os.path.join(destination, 'data.mdb')):
        raise DataError(f'DST: "{destination}" is there and is no LMDB; choose another name')
    if not overwrite:
        raise DataError(
            f'DST: "{destination}" is there already; --verify compares it with SRC, --overwrite replaces it'
        )


def lock(path: str, destination: str) -> int | None:
    """Keeps a second process from building at the same place; the lock ends with this process.

    Args:
        path: the lock's file; it is made.
        destination: the database, for the message.

    Returns:
        The open file, to be closed; None where the system has no such locks.

    Raises:
        DataError: another process has it.
    """
    with contextlib.suppress(ImportError):
        import fcntl

        try:
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise DataError(f'DST: "{path}" cannot be made: {error.strerror}') from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who finishes takes the file away; then this lock is on nothing that others could see.
            if not os.path.samestat(os.fstat(handle), os.stat(path)):
                raise FileNotFoundError(path)
        except OSError as error:
            os.close(handle)
            raise DataError(f'DST: another process is building "{destination}"') from error
        return handle
    return None
