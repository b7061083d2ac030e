"""Where downloaded weights lie, and whether a file is the right one."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from cclgan_plugin.checksum import sha256_of
from cclgan_plugin.errors import WeightsError
from cclgan_plugin.zoo.index import index_file
from cclgan_plugin.zoo.schema import Entry

#: A folder for downloaded weights, in place of the platform's.
CACHE_VARIABLE = 'CCLGAN_CACHE'


def cache_folder() -> Path:
    """The folder of downloaded weights; it need not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path('cclgan', appauthor=False)


def place_of(entry: Entry) -> Path:
    """Where the weights of a model are, or will be once they are downloaded."""
    if entry.package is not None:
        return index_file().absolute().parent / entry.package
    assert entry.file is not None
    return cache_folder().absolute() / entry.file


def is_right(entry: Entry, file: Path) -> bool:
    """Whether a file is there and is, byte for byte, the one that the index describes."""
    try:
        return file.stat().st_size == entry.size and sha256_of(file) == entry.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise WeightsError(f'{file}: cannot be read: {error.strerror or error}') from error
