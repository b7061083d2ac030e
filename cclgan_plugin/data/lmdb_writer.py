"""Writing an LMDB whose map grows with it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

import lmdb

from cclgan_plugin.data.flush_behind import FlushBehind
from cclgan_plugin.errors import DataError

_FIRST_MAP = 1 << 26
_FLUSH_EVERY = 8 << 20


class FlushError(DataError):
    """The disk did not take what was written; the database may be damaged."""


class LmdbWriter:
    """An LMDB open for writing. Close it, or use it in a ``with`` statement.

    Args:
        path: the database's folder; it is made if it is missing.
        flush_behind: ``False``: what is stored is on the disk when :meth:`put` and :meth:`delete` return.
            ``True``, which is up to twice as fast: it outlives this process in any case, even SIGKILL, but
            not the machine: after a power cut before :meth:`close` the database may be damaged.

    Raises:
        DataError: it cannot be made or opened.
    """

    def __init__(self, path: str, flush_behind: bool = False) -> None:
        self.path = path
        self._behind: FlushBehind | None = None
        # py-lmdb fails a flush that begins while the map grows.
        self._syncing_or_growing = threading.Lock()
        try:
            os.makedirs(path, exist_ok=True)
            existing = os.path.join(path, 'data.mdb')
            size = os.path.getsize(existing) if os.path.exists(existing) else 0
            # readahead: only writers would profit from reading what they are about to replace.
            self._environment = lmdb.open(
                path, map_size=max(_FIRST_MAP, 2 * size), readahead=False, sync=not flush_behind
            )
        except (lmdb.Error, OSError) as error:
            raise DataError(f'"{path}" cannot be opened for writing: {error}') from error
        if flush_behind:
            self._behind = FlushBehind(self._flush, _FLUSH_EVERY)

    def put(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Stores all of the items or, whatever happens to this process, none of them.

        Args:
            items: keys, of at most 511 bytes in UTF-8, with their values; a key that is there is replaced.

        Raises:
            DataError: the database cannot take them, e.g. because the disk is full.
            FlushError: the disk did not take what was stored before.
        """

        def put_all(transaction: lmdb.Transaction) -> None:
            for key, value in items:
                transaction.put(key.encode(), value)

        self._change(put_all)
        if self._behind is not None:
            self._behind.wrote(sum(len(value) for _, value in items))

    def delete(self, keys: Iterable[str]) -> None:
        """Takes keys out, all or none; those that are not there do not matter."""
        doomed = list(keys)

        def delete_all(transaction: lmdb.Transaction) -> None:
            for key in doomed:
                transaction.delete(key.encode())

        self._change(delete_all)

    def close(self) -> None:
        """Ends the writing; then all of it is on the disk. May be called twice.

        Raises:
            FlushError: as :meth:`put`.
        """
        try:
            if self._behind is not None:
                self._behind.finish()
        finally:
            self._environment.close()

    def _flush(self) -> None:
        try:
            with self._syncing_or_growing:
                self._environment.sync(True)
        except lmdb.Error as error:
            raise FlushError(
                f'{self._failure(error)}. Nobody knows what the disk has lost: the next build begins anew'
            ) from error

    def _change(self, change: Callable[[lmdb.Transaction], None]) -> None:
        try:
            while True:
                try:
                    with self._environment.begin(write=True) as transaction:
                        change(transaction)
                    return
                except lmdb.MapFullError:
                    # Nothing was stored; a larger map costs address space only.
                    with self._syncing_or_growing:
                        self._environment.set_mapsize(2 * self._environment.info()['map_size'])
        except lmdb.Error as error:
            raise DataError(self._failure(error)) from error

    def _failure(self, error: lmdb.Error) -> str:
        # LMDB says "Input/output error" of a full disk too.
        free = shutil.disk_usage(self.path).free / 1e6
        return f'"{self.path}" cannot be written: {error}; {free:.0f} MB are free on its disk'

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
