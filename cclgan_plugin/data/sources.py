"""Where the bytes of one side's images come from: files on disk or an LMDB database."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

import lmdb

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.lmdb_environment import environment


class ImageSource(ABC):
    """A fixed sequence of encoded images. It is cheap to copy to another process: it holds names only.

    Args:
        root: the folder or the database.
        names: the images, relative to the root or as keys of the database.
    """

    def __init__(self, root: str, names: Sequence[str]) -> None:
        self.root = root
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def places(self) -> set[str]:
        """The images as absolute names, to tell whether two sources share any."""
        root = os.path.realpath(self.root)
        return {os.path.normpath(os.path.join(root, name)) for name in self.names}

    @abstractmethod
    def name(self, index: int) -> str:
        """What the image is called in messages and in ``lq_path`` / ``gt_path``."""

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The encoded image.

        Raises:
            ImageError: the file or the key is gone or cannot be read.
        """


class FileSource(ImageSource):
    """Image files below a folder."""

    def name(self, index: int) -> str:
        return os.path.join(self.root, self.names[index])

    def read(self, index: int) -> bytes:
        return read_bytes(self.name(index))


class LmdbSource(ImageSource):
    """The values of an LMDB database as BasicSR makes them."""

    def __init__(self, root: str, names: Sequence[str]) -> None:
        super().__init__(root, names)
        self._real = os.path.realpath(root)

    def name(self, index: int) -> str:
        return self.names[index]

    def read(self, index: int) -> bytes:
        key = self.names[index]
        try:
            with environment(self.root, self._real).begin() as transaction:
                data = transaction.get(key.encode())
        except lmdb.Error as error:
            raise ImageError(f'{self.root}, key "{key}": {error}') from error
        if data is None:
            raise ImageError(f'{self.root}, key "{key}": no such key in the database')
        return data


def read_bytes(path: str) -> bytes:
    """The content of a file.

    Raises:
        ImageError: the file is missing or cannot be read.
    """
    try:
        # All of it at once: a buffer would be a detour.
        with open(path, 'rb', buffering=0) as file:
            return file.read()
    except FileNotFoundError as error:
        raise ImageError(f'{path}: there is no such file') from error
    except OSError as error:
        raise ImageError(f'{path}: {error.strerror or error}') from error
