"""The same LMDB opened twice in one process: ``already open in this process`` (lq and gt in one
database, or training and validation without workers). A missing key gives None, then an error about
None.

In every release: each ``LmdbBackend`` opens its own environments, and its worker processes inherit them.
May go when environments are shared within a process and opened anew after a fork.
"""

from __future__ import annotations

import os
from typing import Any

from basicsr.utils.file_client import LmdbBackend

from cclgan_plugin.errors import DataError
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed']


def __init__(
    self: Any, db_paths: str | list[str], client_keys: str | list[str] = 'default', **options: Any
) -> None:
    """Remember which database each client key stands for.

    Args:
        db_paths: database folder(s).
        client_keys: one name for each, by which ``get`` is told where to look.
        options: of ``lmdb.open``. Everybody who reads a database in a process shares one environment, so
            these can only be BasicSR's defaults.

    Raises:
        DataError: there are not as many keys as databases, or other options.
    """
    keys = [client_keys] if isinstance(client_keys, str) else list(client_keys)
    self.db_paths = (
        [str(db_paths)] if isinstance(db_paths, (str, os.PathLike)) else [str(path) for path in db_paths]
    )
    if len(keys) != len(self.db_paths):
        raise DataError(f'{len(keys)} client keys ({keys}) cannot stand for {len(self.db_paths)} databases.')
    defaults = {'readonly': True, 'lock': False, 'readahead': False}
    other = [f'{name}: {value}' for name, value in options.items() if defaults.get(name) is not value]
    if other:
        raise DataError(f'io_backend: {", ".join(other)} cannot be chosen; LMDBs are read with {defaults}.')
    self._paths = {key: (path, os.path.realpath(path)) for key, path in zip(keys, self.db_paths, strict=True)}


def get(self: Any, filepath: str, client_key: str) -> bytes:
    """The value stored under the key ``filepath`` in the database that ``client_key`` stands for.

    Raises:
        DataError: there is no such database, or no such key in it.
    """
    # Imported late: the package of datasets needs BasicSR, mended.
    from cclgan_plugin.data.lmdb_environment import environment

    path, real = self._paths[client_key]
    with environment(path, real).begin(write=False) as transaction:
        value = transaction.get(str(filepath).encode())
    if value is None:
        raise DataError(f'The LMDB {path} has no key "{filepath}", which its meta_info.txt names.')
    return value


def apply() -> None:
    """Share environments within each process, also with the plugin's own datasets."""
    replace_method(LmdbBackend, '__init__', __init__)
    replace_method(LmdbBackend, 'get', get)
