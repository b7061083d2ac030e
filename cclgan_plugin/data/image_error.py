"""The error of one image, which stays one clear sentence even when a loader's worker raised it."""

from __future__ import annotations

import re

from cclgan_plugin.errors import DataError

_WORKER_REPORT = re.compile(r'^Caught \w+ in .*?\nOriginal Traceback', re.DOTALL)


class ImageError(DataError):
    """One image cannot be read, decoded or used; the message begins with its name.

    When a worker process of a ``DataLoader`` raises, torch builds the error anew in the main process
    from the worker's whole traceback as text. What the user can act on is the last line only, so that
    is what is kept.

    Args:
        message: ``'<file or key>: <what is wrong>'``, or torch's report of a worker's error.
    """

    def __init__(self, message: str) -> None:
        if _WORKER_REPORT.match(message):
            message = message.rpartition(f'{type(self).__name__}: ')[2].strip()
        super().__init__(message)
