"""Writing an LMDB whose map grows with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

import lmdb

from cclgan_plugin.errors import DataError

_FIRST_MAP = 1 << 26


class LmdbWriter:
    """An LMDB open for writing. Close it, or use it in a ``with`` statement.

    Args:
        path: the database's folder; it is made if it is missing.

    Raises:
        DataError: it cannot be made or opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            os.makedirs(path, exist_ok=True)
            existing = os.path.join(path, 'data.mdb')
            size = os.path.getsize(existing) if os.path.exists(existing) else 0
            # readahead: only writers would profit from reading what they are about to replace.
            self._environment = lmdb.open(path, map_size=max(_FIRST_MAP, 2 * size), readahead=False)
        except (lmdb.Error, OSError) as error:
            raise DataError(f'"{path}" cannot be opened for writing: {error}') from error

    def put(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Stores all of the items or, whatever happens, none of them; on return they are on the disk.

        Args:
            items: keys, of at most 511 bytes in UTF-8, with their values; a key that is there is replaced.

        Raises:
            DataError: the database cannot take them, e.g. because the disk is full.
        """

        def put_all(transaction: lmdb.Transaction) -> None:
            for key, value in items:
                transaction.put(key.encode(), value)

        self._change(put_all)

    def delete(self, keys: Iterable[str]) -> None:
        """Takes keys out, all or none; those that are not there do not matter."""
        doomed = list(keys)

        def delete_all(transaction: lmdb.Transaction) -> None:
            for key in doomed:
                transaction.delete(key.encode())

        self._change(delete_all)

    def close(self) -> None:
        """Ends the writing. May be called twice."""
        self._environment.close()

    def _change(self, change: Callable[[lmdb.Transaction], None]) -> None:
        try:
            while True:
                try:
                    with self._environment.begin(write=True) as transaction:
                        change(transaction)
                    return
                except lmdb.MapFullError:
                    # Nothing was stored; a larger map costs address space only.
                    self._environment.set_mapsize(2 * self._environment.info()['map_size'])
        except lmdb.Error as error:
            # LMDB says "Input/output error" of a full disk too.
            free = shutil.disk_usage(self.path).free / 1e6
            raise DataError(
                f'"{self.path}" cannot be written: {error}; {free:.0f} MB are free on its disk'
            ) from error

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
