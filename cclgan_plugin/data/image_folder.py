"""Finding the image files below a folder."""

from __future__ import annotations

import os
from collections import Counter

from cclgan_plugin.errors import DataError, did_you_mean

IMAGE_EXTENSIONS = ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.bmp', '.dib', '.webp', '.tif', '.tiff')


def find_images(root: str, what: str = 'folder') -> list[str]:
    """All images below a folder, at any depth, as sorted paths relative to it with ``/`` between the parts.

    Files are told by their extension, in upper or lower case. Names that begin with a dot are left out
    (also folders, and the ``._photo.jpg`` that macOS leaves on other disks). Links are followed; a
    folder that several links lead to, perhaps in a circle, is visited once.

    Args:
        root: the folder.
        what: what the folder is called in messages, e.g. the key of the options file.

    Raises:
        DataError: the folder is missing, is a file, cannot be listed, or holds no image.
    """
    check_folder(root, what)
    images: list[str] = []
    others: Counter[str] = Counter()
    visited: set[tuple[int, int]] = set()
    folders, links = [''], list[str]()
    while folders or links:
        # Links wait until every real folder was seen, so an image keeps its own path where it has one.
        folder = folders.pop() if folders else links.pop()
        here = os.path.join(root, folder)
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        for entry in _entries(here, what):
            name = folder + entry.name
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append(f'{name}/')
            elif not _is_image(name):
                others[os.path.splitext(name)[1].lower() or 'no extension'] += 1
            elif entry.is_symlink() or entry.is_file():  # a dangling link is named when it is read
                images.append(name)
    if not images:
        looked_for = ', '.join(IMAGE_EXTENSIONS)
        found = ', '.join(f'{count} x {extension}' for extension, count in others.most_common(5))
        raise DataError(
            f'{what}: no image in "{root}" or below; looked for {looked_for}'
            + (f', found only {found}' if found else ' and found no file at all')
        )
    return sorted(images)


def check_folder(root: str, what: str = 'folder') -> None:
    """Makes sure that a folder is there.

    Raises:
        DataError: it is missing (with a hint at a folder of a similar name) or it is a file.
    """
    if os.path.isdir(root):
        return
    if os.path.exists(root):
        raise DataError(f'{what}: "{root}" is a file, a folder was expected')
    # Walk up to the part that is misspelt, so that the hint is about that part.
    missing = os.path.abspath(root)
    while not os.path.isdir(os.path.dirname(missing)):
        missing = os.path.dirname(missing)
    parent, name = os.path.split(missing)
    try:
        neighbours = [entry for entry in os.listdir(parent) if os.path.isdir(os.path.join(parent, entry))]
    except OSError:
        neighbours = []
    where = '' if os.path.isabs(root) else f' (the current folder is "{os.getcwd()}")'
    raise DataError(f'{what}: there is no folder "{root}"{where}.{did_you_mean(name, neighbours)}')


def _entries(folder: str, what: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith('.')]
    except OSError as error:
        raise DataError(f'{what}: "{folder}" cannot be listed: {error.strerror}') from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS
