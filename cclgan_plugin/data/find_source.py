"""Finding the images of one side from what the options file says about it."""

from __future__ import annotations

import os
from typing import Any

import lmdb

from cclgan_plugin.data.image_folder import check_folder, find_images
from cclgan_plugin.data.lmdb_environment import environment
from cclgan_plugin.data.lmdb_keys import possible_keys
from cclgan_plugin.data.meta_info import ListedImage, paired_name, read_meta_info
from cclgan_plugin.data.sources import FileSource, ImageSource, LmdbSource
from cclgan_plugin.errors import DataError, OptionError, did_you_mean

BACKENDS = ('disk', 'lmdb')


def is_database(root: str) -> bool:
    """Whether a folder is, or by its name should be, an LMDB database."""
    return root.rstrip('/\\').endswith('.lmdb') or os.path.isfile(os.path.join(root, 'data.mdb'))


def find_source(
    side: str,
    root: str,
    meta_info: str | None,
    io_backend: dict[str, Any],
    list_key: str | None = None,
    template: str | None = None,
) -> ImageSource:
    """Finds the images of one side.

    Args:
        side: ``'lq'`` or ``'gt'``; messages name the keys ``dataroot_<side>`` and ``meta_info_file_<side>``.
        root: ``dataroot_<side>``: a folder, or a database when the backend is ``lmdb``.
        meta_info: ``meta_info_file_<side>``: a list of the images to take, or None for all.
        io_backend: BasicSR's ``{'type': 'disk'}`` or ``{'type': 'lmdb'}``.
        list_key: what messages call the list; by default as above.
        template: BasicSR's ``filename_tmpl``, where the list names the images of the other side; for folders.

    Raises:
        OptionError: the backend is unknown or does not fit the root.
        DataError: the root is missing or empty, or a listed image is not there.
    """
    key = f'dataroot_{side}'
    root = os.path.expanduser(root)
    meta_info = None if meta_info is None else os.path.expanduser(meta_info)
    backend = io_backend.get('type', 'disk')
    if backend not in BACKENDS:
        hint = did_you_mean(str(backend), BACKENDS)
        raise OptionError(f'io_backend: type is "{backend}", expected one of {", ".join(BACKENDS)}.{hint}')
    database = is_database(root)
    if database and backend == 'disk':
        raise OptionError(f'{key}: "{root}" is an LMDB database; write io_backend: {{type: lmdb}} to read it')
    check_folder(root, key)
    if not database and backend == 'lmdb':
        raise OptionError(
            f'{key}: "{root}" is not an LMDB database (a folder named *.lmdb that holds data.mdb); '
            'write io_backend: {type: disk} to read a folder of images, and the same for both sides'
        )
    list_key = list_key or f'meta_info_file_{side}'
    if backend == 'lmdb':
        if meta_info is None:
            meta_info, list_key = os.path.join(root, 'meta_info.txt'), key
        return LmdbSource(root, _listed_keys(root, meta_info, list_key))
    if meta_info is None:
        return FileSource(root, find_images(root, key))
    return FileSource(root, _listed_files(root, meta_info, list_key, template))


def _listed_files(root: str, meta_info: str, what: str, template: str | None) -> list[str]:
    listed = read_meta_info(meta_info, what)
    if template is not None:
        listed = [ListedImage(paired_name(name, template, root), line) for name, line in listed]
    missing = [image for image in listed if not os.path.isfile(os.path.join(root, image.name))]
    if missing:
        raise _not_there(meta_info, missing, len(listed), f'there is no file "{missing[0].name}" in "{root}"')
    return [image.name for image in listed]


def _listed_keys(root: str, path: str, what: str) -> list[str]:
    listed = read_meta_info(path, what)
    with environment(root).begin(buffers=True) as transaction:
        keys = [_key_of(image.name, transaction) for image in listed]
    missing = [image for image, key in zip(listed, keys, strict=True) if key is None]
    if missing:
        raise _not_there(path, missing, len(listed), f'there is no key for "{missing[0].name}" in "{root}"')
    return [key for key in keys if key is not None]


def _key_of(name: str, transaction: lmdb.Transaction) -> str | None:
    # BasicSR's writer takes the name without its extension as the key and its readers cut at the first
    # dot; databases from elsewhere use whole names, ours encode them. Only the database knows which it was.
    for key in (os.path.splitext(name)[0], name, *possible_keys(name), name.split('.')[0]):
        if key and transaction.get(key.encode()) is not None:
            return key
    return None


def _not_there(path: str, missing: list[ListedImage], count: int, what: str) -> DataError:
    more = f' ({len(missing)} of {count} entries are missing)' if len(missing) > 1 else ''
    return DataError(f'{path}:{missing[0].line}: {what}{more}')
