"""Names of files that are not finished, and the removal of those whose process was killed."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import zlib
from collections.abc import Iterable

import psutil


def _whose_processes() -> str:
    """A name of those whose numbers this process can look up: of this host, or of this container."""
    host = platform.node()
    try:
        # Containers may share a name, and a folder, but know nothing of each other's processes.
        space = os.readlink('/proc/self/ns/pid')
    except OSError:
        space = ''
    readable = re.sub('[^A-Za-z0-9-]', '-', host)[:24] or 'host'
    return f'{readable}-{zlib.crc32(f"{host} {space}".encode()):08x}'


_HERE = _whose_processes()
_NAME = re.compile(rf'\..+\.{_HERE}\.(\d+)\.partial(\.\w+)?')

#: File systems allow 255 bytes for a name; what is put around it needs some of them.
_LONGEST = 180


def partial_path(path: str | os.PathLike[str], keep_extension: bool = False) -> str:
    """A hidden name beside ``path``, for this process alone.

    Args:
        path: where the file will be once it is whole.
        keep_extension: end in its extension, for libraries that tell the format by it.
    """
    folder, name = os.path.split(os.path.abspath(path))
    extension = os.path.splitext(name)[1] if keep_extension else ''
    encoded = os.fsencode(name)
    if len(encoded) > _LONGEST:
        name = f'{encoded[:_LONGEST].decode(errors="ignore")}-{zlib.crc32(encoded):08x}'
    return os.path.join(folder, f'.{name}.{_HERE}.{os.getpid()}.partial{extension}')


def remove_left_overs(folders: Iterable[str]) -> None:
    """Remove what killed processes of this host, or container, have left in these folders."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                found = _NAME.fullmatch(entry.name)
                if found and not psutil.pid_exists(int(found[1])):
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)
