"""Writing a file so that it is either whole or not there."""

from __future__ import annotations

import os

from cclgan_plugin.errors import DataError
from cclgan_plugin.partial_file import partial_path


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file under a hidden name beside it, then renames: no half-written file bears the name.

    Missing folders are made. A link stays one: the file that it leads to is written.

    Raises:
        DataError: it cannot be written, e.g. the disk is full.
    """
    target = os.path.realpath(path)
    partial = partial_path(target)
    try:
        os.makedirs(os.path.dirname(partial), exist_ok=True)
        try:
            with open(partial, 'wb') as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
        finally:
            if os.path.exists(partial):
                os.remove(partial)
    except OSError as error:
        raise DataError(f'{os.fspath(path)}: cannot be written: {error.strerror or error}') from error
