"""Saving a checkpoint so that a reader finds either the whole of it or nothing."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.partial_file import partial_path


class _Remembering:
    """A file that keeps the first ``OSError``, which torch's archive writer would bury under its own, and
    the SHA-256 of what it was given.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self.file.flush()


_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.ENOSYS)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut; only POSIX systems can open a folder for that.

    Some file systems refuse it (shared folders of virtual machines), as do folders that may not be listed;
    the file is whole all the same.
    """
    if os.name != 'posix':
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def atomic_torch_save(obj: Any, path: str | os.PathLike[str]) -> str:
    """Write ``obj`` with ``torch.save``, completely or not at all.

    The bytes go to a temporary file in the same folder, reach the disk, and only then take the
    name ``path``. An older file of that name stays whole until then, whatever happens. The bytes
    depend on ``obj`` alone: saved by name, torch would put the file's name into the archive.

    Args:
        obj: what ``torch.load(..., weights_only=True)`` accepts: tensors, numbers, strings, lists, dicts.
        path: where to save it; the folder must exist.

    Returns:
        The file's SHA-256.

    Raises:
        TrainingError: the file system refuses (disk full, no permission, no such folder).
    """
    path = Path(path)
    temporary = Path(partial_path(path))
    remembered: OSError | None = None
    try:
        with open(temporary, 'wb') as file:
            writer = _Remembering(file)
            try:
                torch.save(obj, cast(IO[bytes], writer))
            finally:
                remembered = writer.error
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
        return writer.hash.hexdigest()
    except BaseException as error:
        # On a disk that takes nothing any more this fails too, which is not what there is to report.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        cause = remembered or error
        if isinstance(cause, OSError):
            raise TrainingError(
                f'Cannot save {path}: {cause.strerror or cause}. Nothing was written under that name, and '
                'earlier checkpoints are whole. Make room, or mend the folder, and go on with --auto_resume.'
            ) from cause
        raise
