"""The files of a run that people look at: one that cannot be written ends the run with a plain word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cclgan_plugin.errors import DataError, TrainingError
from cclgan_plugin.whole_file import write_whole

_GO_ON = 'The saved states are whole; make room, or mend the folder, and go on with --auto_resume.'


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Around writing ``path``: an ``OSError`` becomes a TrainingError that says how to go on."""
    try:
        yield
    except OSError as error:
        raise TrainingError(f'Cannot write {path}: {error.strerror or error}. {_GO_ON}') from error


def write_run_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all; missing folders are made.

    Raises:
        TrainingError: it cannot be written.
    """
    try:
        write_whole(path, data)
    except DataError as error:
        raise TrainingError(f'{error}. {_GO_ON}') from error
