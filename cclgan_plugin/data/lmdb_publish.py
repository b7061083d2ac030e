"""A finished database takes the place of what has its name, in steps of which any may be the last."""

from __future__ import annotations

import os
import shutil

import lmdb

from cclgan_plugin.errors import DataError


class Place:
    """Where a database goes, and where what it replaces waits meanwhile.

    Between the two renames nothing has the name. Who is killed there leaves both databases in the workshop;
    the next build gives the old one its name back, see :meth:`restore`.

    Args:
        destination: the path that the database gets.
        workshop: the folder in which it grows, on the same disk.

    Attributes:
        database: the folder of the unfinished database.
        journal: the path of its journal.
    """

    def __init__(self, destination: str, workshop: str) -> None:
        self.destination = destination
        self.database = os.path.join(workshop, 'database')
        self.journal = os.path.join(workshop, 'journal')
        self._replaced = os.path.join(workshop, 'replaced')

    def restore(self) -> None:
        """Undoes what a sudden end left half done. Only whoever has the lock may call it.

        Raises:
            DataError: the database that was to be replaced cannot get its name back.
        """
        try:
            if os.path.isfile(os.path.join(self.database, 'data.mdb')):
                self.put_back()
            elif os.path.exists(self.journal):
                # The database has its name already, and its journal must not be believed of the next one.
                os.remove(self.journal)
        except OSError as error:
            raise DataError(f'DST: "{self.destination}" cannot be written: {error.strerror}') from error
        # Of a build that was published; whoever deletes that one does not want its predecessor.
        shutil.rmtree(self._replaced, ignore_errors=True)

    def make_room(self) -> None:
        """Moves away what has the name; to be followed by :meth:`take` or :meth:`put_back`."""
        shutil.rmtree(self._replaced, ignore_errors=True)
        if os.path.lexists(self.destination):
            os.rename(self.destination, self._replaced)

    def take(self) -> None:
        """Gives the new database its name."""
        os.rename(self.database, self.destination)

    def put_back(self) -> None:
        """Gives what was moved away its name again, unless something has it."""
        if self.holds_replaced and not os.path.lexists(self.destination):
            os.rename(self._replaced, self.destination)

    @property
    def holds_replaced(self) -> bool:
        """Whether what was to be replaced is in the workshop, which then may be all there is of it."""
        return os.path.lexists(self._replaced)


def count_entries(database: str) -> int:
    """How many values a closed database holds.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with lmdb.open(database, readonly=True, lock=False, create=False) as opened:
            return int(opened.stat()['entries'])
    except lmdb.Error as error:
        raise DataError(f'"{database}" cannot be read: {error}') from error
