"""Which images become an LMDB, and under which keys, before any of them is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from cclgan_plugin.data.image_folder import check_folder, find_images
from cclgan_plugin.data.lmdb_keys import lmdb_keys
from cclgan_plugin.data.meta_info import read_meta_info
from cclgan_plugin.errors import DataError


class PlannedImage(NamedTuple):
    """An image to store.

    Attributes:
        path: the file.
        key: of the whole image.
    """

    path: str
    key: str


def plan_lmdb(sources: Sequence[str], list_root: str | None = None) -> list[PlannedImage]:
    """Finds the images of folder trees and lists, and gives each its key, in the order of the keys.

    With one source keys are relative to it. With several, each key begins with the source's name, and
    with as many of the folders above it as it takes to tell the sources apart.

    Args:
        sources: folders of images, nested or not, and text files with one image per line.
        list_root: the folder that the lines of lists are relative to; None = the list's own folder.

    Raises:
        DataError: a source or a listed image is missing, or there is no image.
    """
    paths: list[str] = []
    names: list[str] = []
    for source, prefix in zip(sources, _prefixes(sources), strict=True):
        root, found = _find(os.path.expanduser(source), list_root)
        paths += [os.path.join(root, name) for name in found]
        names += [prefix + name for name in found]
    planned = [PlannedImage(path, key) for path, key in zip(paths, lmdb_keys(names), strict=True)]
    return sorted(planned, key=lambda image: image.key)


class FileState(NamedTuple):
    """What a file is like before it is read.

    Attributes:
        identity: a digest that changes when the image's key, path, size or time of change does.
        size: in bytes; -1 = it is not there (any more), and whoever reads it will say what is wrong.
    """

    identity: str
    size: int


def file_state(image: PlannedImage) -> FileState:
    """Looks at a planned image's file, without reading it."""
    try:
        status = os.stat(image.path)
        size, changed = status.st_size, status.st_mtime_ns
    except OSError:
        size, changed = -1, -1
    text = f'{image.key}\0{os.path.abspath(image.path)}\0{size}\0{changed}'
    return FileState(hashlib.blake2b(os.fsencode(text), digest_size=16).hexdigest(), size)


def _find(source: str, list_root: str | None) -> tuple[str, list[str]]:
    if not os.path.isfile(source):
        check_folder(source, 'SRC')
        return source, find_images(source, 'SRC')
    root = os.path.dirname(source) if list_root is None else os.path.expanduser(list_root)
    listed: dict[str, None] = {}
    for image in read_meta_info(source, 'SRC'):
        name = os.path.relpath(image.name, root or '.') if os.path.isabs(image.name) else image.name
        name = os.path.normpath(name).replace(os.sep, '/')
        if not os.path.isfile(os.path.join(root, name)):
            raise DataError(
                f'{source}:{image.line}: there is no file "{image.name}" in "{root or "."}"; '
                '--list-root names the folder that a list is relative to'
            )
        listed[name] = None  # an image that is listed twice is stored once
    return root, sorted(listed)


def _prefixes(sources: Sequence[str]) -> list[str]:
    if len(sources) == 1:
        return ['']
    parts = []
    for source in sources:
        full = os.path.abspath(os.path.expanduser(source))
        stem = os.path.splitext(full)[0] if os.path.isfile(full) else full
        parts.append(stem.replace(os.sep, '/').strip('/').split('/'))
    for depth in range(1, max(map(len, parts)) + 1):
        prefixes = ['/'.join(part[-depth:]) + '/' for part in parts]
        if len(set(prefixes)) == len(sources):
            return prefixes
    twice = next(source for i, source in enumerate(sources) if parts[i] in parts[:i])
    raise DataError(f'SRC: "{twice}" is given twice')
