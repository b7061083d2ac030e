"""One open LMDB environment per database and process.

LMDB forbids opening a database twice in one process, and a forked worker inherits its parent's list
of open databases without being allowed to use them. So everybody who reads a database in a process
shares one environment, and a process that finds its parent's environment replaces it.
"""

from __future__ import annotations

import os
import threading

import lmdb

from cclgan_plugin.errors import DataError

_open: dict[str, tuple[int, lmdb.Environment]] = {}
_lock = threading.Lock()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, 'register_at_fork'):
    # Another thread of the parent may have held the lock at the fork; it would never be released here.
    os.register_at_fork(after_in_child=_new_lock)


def environment(path: str, real: str | None = None) -> lmdb.Environment:
    """The read-only environment of a database, opened on first use and then kept.

    Args:
        path: the database's folder.
        real: what ``os.path.realpath`` says of it, for those who ask for every image: that looks at every
            folder on the way and takes longer than reading.

    Raises:
        DataError: the folder holds no database, or the database is damaged or cut short.
    """
    key = os.path.realpath(path) if real is None else real
    with _lock:
        owner, found = _open.get(key, (0, None))
        if found is not None:
            if owner == os.getpid():
                return found
            found.close()  # inherited; this frees the entry here and does nothing to the parent's
        try:
            # No lock file: readers of a finished database need none, and its folder may be read-only.
            opened = lmdb.open(key, readonly=True, lock=False, readahead=False, create=False)
        except lmdb.Error as error:
            raise DataError(f'"{path}" cannot be opened as an LMDB database: {error}') from error
        _make_sure_that_it_is_whole(opened, key)
        _open[key] = (os.getpid(), opened)
        return opened


def _make_sure_that_it_is_whole(opened: lmdb.Environment, path: str) -> None:
    """Reading behind the end of a file that is mapped into memory would kill the process without a word."""
    expected = (opened.info()['last_pgno'] + 1) * opened.stat()['psize']
    found = os.path.getsize(os.path.join(path, 'data.mdb'))
    if found < expected:
        opened.close()
        raise DataError(
            f'"{path}" is cut short: its data.mdb has {found} bytes, {expected} were expected; copy or build '
            'it anew'
        )


def close_environment(path: str) -> None:
    """Closes a database that is about to be replaced; whoever reads it next opens it anew."""
    with _lock:
        _, found = _open.pop(os.path.realpath(path), (0, None))
        if found is not None:
            found.close()
