"""Bringing to the disk what was written, while more is being written."""

from __future__ import annotations

import threading
from collections.abc import Callable


class FlushBehind:
    """Flushes on a thread of its own, as often as so much has been written since it last began to.

    A flush waits for the disk, and whoever writes the next bytes need not.

    Args:
        flush: brings all that was written so far to the disk.
        every: bytes.
    """

    def __init__(self, flush: Callable[[], None], every: int) -> None:
        self._flush = flush
        self._every = every
        self._waiting = 0
        self._ended = False
        self._failed: Exception | None = None
        self._change = threading.Condition()
        # daemon: what nobody ends must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='flushing', daemon=True)
        self._thread.start()

    def wrote(self, size: int) -> None:
        """Says that so many bytes were written.

        Raises:
            Exception: what an earlier flush raised; of what was written since the last good one, anything
                may be lost.
        """
        with self._change:
            self._waiting += size
            self._change.notify()
            self._raise()

    def finish(self) -> None:
        """Flushes a last time, then ends. May be called twice.

        Raises:
            Exception: as :meth:`wrote`, each time it is called.
        """
        with self._change:
            self._ended = True
            self._change.notify()
        self._thread.join()
        self._raise()

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        last = False
        try:
            while not last:
                with self._change:
                    self._change.wait_for(lambda: self._ended or self._waiting >= self._every)
                    self._waiting = 0
                    last = self._ended
                self._flush()
        except Exception as error:  # raised where it can be dealt with, in the thread that writes
            self._failed = error
