"""Finding the files below a folder, and the images among them."""

from __future__ import annotations

import functools
import logging
import os
from collections import Counter
from collections.abc import Callable

from cclgan_plugin.errors import DataError, did_you_mean

IMAGE_EXTENSIONS = ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.bmp', '.dib', '.webp', '.tif', '.tiff')

#: Pictures that are not read here.
OTHER_PICTURES = (
    *('.gif', '.apng', '.heic', '.heif', '.avif', '.jxl', '.jp2', '.j2k', '.jpx', '.psd', '.exr', '.hdr'),
    *('.ppm', '.pgm', '.pbm', '.pnm', '.tga'),
    *('.dng', '.cr2', '.cr3', '.nef', '.arw', '.raf', '.rw2', '.orf'),
)


def find_images(root: str, what: str = 'folder') -> list[str]:
    """All images below a folder, at any depth, as sorted paths relative to it with ``/`` between the parts.

    Files are told by their extension, in upper or lower case; for which are looked at see
    :func:`visible_files`. That pictures of other kinds lie among them is said by a warning, once.

    Args:
        root: the folder.
        what: what the folder is called in messages, e.g. the key of the options file.

    Raises:
        DataError: the folder is missing, is a file, cannot be listed, or holds no image.
    """
    files = visible_files(root, what)
    images = [name for name in files if extension_of(name) in IMAGE_EXTENSIONS]
    if images:
        others = Counter(found for name in files if (found := extension_of(name)) in OTHER_PICTURES)
        if others:
            _warn(
                f'{what}: {_counted(others)} in "{root}" are not read; only {", ".join(IMAGE_EXTENSIONS)} are'
            )
    else:
        looked_for = ', '.join(IMAGE_EXTENSIONS)
        others = Counter(extension_of(name) or 'no extension' for name in files)
        found = _counted(others)
        raise DataError(
            f'{what}: no image in "{root}" or below; looked for {looked_for}'
            + (f', found only {found}' if found else ' and found no file at all')
        )
    return images


def images_at_the_top(root: str, what: str = 'folder') -> list[str]:
    """Those of :func:`find_images` that BasicSR's own datasets take: they do not look into subfolders.

    Others are told by a warning, once.

    Raises:
        DataError: as there; or all images lie in subfolders.
    """
    images = find_images(root, what)
    top = [name for name in images if '/' not in name]
    advice = 'name them in meta_info_file, or move them up'
    if not top:
        raise DataError(f'{what}: all {len(images)} images of "{root}" lie in subfolders; {advice}')
    if len(top) < len(images):
        _warn(
            f'{what}: {len(images) - len(top)} images in subfolders of "{root}", such as '
            f'{next(name for name in images if "/" in name)}, are not taken; {advice}'
        )
    return top


def _counted(extensions: Counter[str]) -> str:
    return ', '.join(f'{count} x {extension}' for extension, count in extensions.most_common(5))


@functools.cache
def _warn(message: str) -> None:
    """Folders are searched several times in a run."""
    logging.getLogger('basicsr').warning(message)


def visible_files(
    root: str, what: str = 'folder', unlisted: Callable[[DataError], object] | None = None
) -> list[str]:
    """All files below a folder, at any depth, as sorted paths relative to it with ``/`` between the parts.

    Names that begin with a dot are left out (also folders, and the ``._photo.jpg`` that macOS leaves on
    other disks). Links are followed; a folder that several links lead to, perhaps in a circle, is visited
    once. A link that leads nowhere counts as a file: it is named when it is read. Pipes and devices do not,
    nor links to them: reading them might never end.

    Args:
        root: the folder.
        what: what the folder is called in messages.
        unlisted: called with what is wrong with a subfolder that cannot be listed, which is then passed over;
            None = that is raised.

    Raises:
        DataError: the folder is missing, is a file, or cannot be listed.
    """
    check_folder(root, what)
    files: list[str] = []
    visited: set[tuple[int, int]] = set()
    folders, links = [''], list[str]()
    while folders or links:
        # Links wait until every real folder was seen, so a file keeps its own path where it has one.
        folder = folders.pop() if folders else links.pop()
        here = os.path.join(root, folder)
        try:
            status = _status(here, what)
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            entries = _entries(here, what)
        except DataError as error:
            if unlisted is None or not folder:
                raise
            unlisted(error)
            continue
        for entry in entries:
            name = folder + entry.name
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append(f'{name}/')
            elif _is_file(entry):
                files.append(name)
    return sorted(files)


def extension_of(name: str) -> str:
    """Of a file, in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


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


def _status(folder: str, what: str) -> os.stat_result:
    try:
        return os.stat(folder)
    except OSError as error:  # the folder around it may be listed, but not entered
        raise DataError(f'{what}: "{folder}" cannot be entered: {error.strerror}') from error


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


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        if entry.is_file():
            return True
    except OSError:  # a link that leads to itself
        pass
    return entry.is_symlink() and not os.path.exists(entry.path)
