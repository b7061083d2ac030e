"""What has been stored so far, written down beside an unfinished LMDB so that the work can go on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from typing import IO

from cclgan_plugin.errors import DataError


class Journal:
    """The lines of ``meta_info.txt`` by image, appended to a file as images are stored.

    An image is noted after the database holds it, so after a sudden end of the process the journal may know
    of too few images but never of too many; storing these once more changes nothing. After a sudden end of
    the machine either may be damaged.

    Args:
        path: the file.
        settings: how the images are stored; a journal of other settings is not gone on with.
        boot: of the machine, see :func:`~cclgan_plugin.data.boot.this_boot`; a journal of another is not gone
            on with.

    Attributes:
        done: the lines of each image that is stored, by the image's identity.
        refused: why nothing of what was there is kept, such as ``'with other settings'``; None = it is, or
            there was none.

    Raises:
        DataError: the file cannot be read or written.
    """

    def __init__(self, path: str, settings: str, boot: str | None) -> None:
        self.path = path
        self.done: dict[str, list[str]] = {}
        self.refused: str | None = None
        self._settings = settings
        self._boot = boot
        try:
            if os.path.exists(path):
                self._read()
            # Written anew: a sudden end leaves half a line, which the next one must not continue.
            self._file = self._write()
        except OSError as error:
            raise DataError(f'{path}: {error.strerror or error}') from error

    def note(self, stored: Mapping[str, list[str]]) -> None:
        """Notes images that the database holds.

        Args:
            stored: their lines of ``meta_info.txt`` by their identities.
        """
        self.done.update(stored)
        try:
            _append(self._file, [[image, lines] for image, lines in stored.items()])
        except OSError as error:
            raise DataError(f'{self.path}: {error.strerror or error}') from error

    def forget(self, images: Collection[str]) -> None:
        """Takes out images that the database does not hold any more."""
        self._file.close()
        for image in images:
            del self.done[image]
        try:
            self._file = self._write()
        except OSError as error:
            raise DataError(f'{self.path}: {error.strerror or error}') from error

    def discard(self) -> None:
        """Takes the file away, which even a full disk allows; nothing can be noted thereafter."""
        self.close()
        self.done.clear()
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.path)

    def close(self) -> None:
        """Ends the writing. May be called twice."""
        self._file.close()

    def _write(self) -> IO[bytes]:
        partial = f'{self.path}.partial'
        head = {'settings': self._settings, 'boot': self._boot}
        with open(partial, 'wb') as file:
            _append(file, [head, *([image, lines] for image, lines in self.done.items())])
        os.replace(partial, self.path)
        return open(self.path, 'ab')  # close() ends it

    def _read(self) -> None:
        with open(self.path, 'rb') as file:
            lines = file.read().splitlines(keepends=True)
        try:
            for line in lines:
                entry = json.loads(line)
                if not line.endswith(b'\n'):
                    return
                if isinstance(entry, dict):
                    if entry.get('settings') != self._settings:
                        self.refused = 'with other settings'
                    elif entry.get('boot') != self._boot:
                        self.refused = (
                            'from before the last start of this machine, which may have lost some of it,'
                        )
                    if self.refused:
                        return
                else:
                    self.done[str(entry[0])] = [str(text) for text in entry[1]]
        except ValueError:
            return  # the half line of a sudden end


def _append(file: IO[bytes], entries: Sequence[object]) -> None:
    file.write(''.join(json.dumps(entry) + '\n' for entry in entries).encode())
    file.flush()
