"""Building an LMDB as BasicSR reads it, in steps that a sudden end cannot undo."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import NamedTuple

from cclgan_plugin.data.boot import this_boot
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.lmdb_destination import check_destination, lock
from cclgan_plugin.data.lmdb_entry import Entry, EntrySettings
from cclgan_plugin.data.lmdb_journal import Journal
from cclgan_plugin.data.lmdb_making import make_all
from cclgan_plugin.data.lmdb_plan import PlannedImage, file_state
from cclgan_plugin.data.lmdb_publish import Place, count_entries
from cclgan_plugin.data.lmdb_writer import FlushError, LmdbWriter
from cclgan_plugin.errors import DataError
from cclgan_plugin.whole_file import write_whole

# Stored in one go; a sudden end costs at most one batch. Small ones stay in the processor's cache.
_BATCH_BYTES = 2 << 20
_BATCH_IMAGES = 2000


class Stored(NamedTuple):
    """What became of one image.

    Attributes:
        path: the file.
        error: why it is not in the database, or None.
    """

    path: str
    error: ImageError | None


class LmdbBuild:
    """One database in the making.

    It grows in a hidden folder beside its place, ``.NAME.building``, together with a journal. A build that
    was ended suddenly is gone on with by the next one with the same settings; images may have come, gone
    or changed in between.

    Args:
        destination: where the finished database will be, a path that ends in ``.lmdb``.
        planned: the images.
        settings: how to store them.
        overwrite: a database that is there is replaced, at the moment when the new one is finished.

    Attributes:
        database: the folder of the unfinished database.
        resumed: number of images that an earlier build had stored.
        started_anew: why an unfinished build that was found is thrown away, such as
            ``'with other settings'``; None = there was none, or it is gone on with.

    Raises:
        DataError: the destination cannot be used, or another process is building there.
    """

    def __init__(
        self, destination: str, planned: Sequence[PlannedImage], settings: EntrySettings, overwrite: bool
    ) -> None:
        self.destination = destination = os.path.abspath(os.path.expanduser(destination))
        check_destination(destination, overwrite)
        self.planned = planned
        self.settings = settings
        self._overwrite = overwrite
        self._finished = self._closed = self._storing = False
        folder, name = os.path.split(destination)
        self._workshop = os.path.join(folder, f'.{name}.building')
        self._place = Place(destination, self._workshop)
        self.database = self._place.database
        states = [file_state(image) for image in planned]
        self._identities = [state.identity for state in states]
        self._sizes = [state.size for state in states]
        try:
            os.makedirs(self._workshop, exist_ok=True)
        except OSError as error:
            raise DataError(f'DST: "{self._workshop}" cannot be made: {error.strerror}') from error
        self._lock = lock(os.path.join(self._workshop, 'lock'), destination)
        try:
            self._place.restore()
            check_destination(destination, overwrite)
        except DataError:
            if self._lock is not None:
                os.close(self._lock)
            raise
        kept = json.dumps(asdict(settings), sort_keys=True)
        boot = this_boot()
        # What is flushed behind may be damaged after a power cut, so one has to know of it.
        self._flush_behind = boot is not None
        self._journal = Journal(self._place.journal, kept, boot)
        self.started_anew = self._journal.refused
        if not self._journal.done:
            shutil.rmtree(self.database, ignore_errors=True)
        self._forget_others()
        self.resumed = len(self._journal.done)

    def run(self, workers: int | None = None) -> Iterator[Stored]:
        """Reads, encodes and stores the images that are still missing.

        Args:
            workers: threads that encode; None = one for each processor.

        Yields:
            One result per image, after the database holds it: no end of this process can lose it any more.
            A bad image is reported and does not end the work.

        Raises:
            DataError: the database cannot be written.
        """
        remaining = [
            number for number, image in enumerate(self._identities) if image not in self._journal.done
        ]
        batch: dict[int, list[Entry]] = {}
        size = 0
        with self._writing() as writer:
            made = make_all(self.planned, self._sizes, remaining, self.settings, workers)
            for number, entries, error in made:
                if error is not None:
                    yield Stored(self.planned[number].path, error)
                    continue
                batch[number] = entries
                size += sum(len(entry.data) for entry in entries)
                if size >= _BATCH_BYTES or len(batch) >= _BATCH_IMAGES:
                    yield from self._store(writer, batch)
                    batch, size = {}, 0
            yield from self._store(writer, batch)

    def write_meta_info(self) -> None:
        """Lists what the database holds; it is then complete, though not yet under its name.

        Raises:
            DataError: no image is stored, or the list cannot be written.
        """
        lines = self._lines()
        if not lines:
            raise DataError(f'DST: "{self.destination}" would hold no image')
        write_whole(os.path.join(self.database, 'meta_info.txt'), ('\n'.join(lines) + '\n').encode('ascii'))

    def publish(self) -> None:
        """Gives the complete database its name.

        Raises:
            DataError: it cannot be renamed, it lacks images of its list, or another process has made a
                database of this name meanwhile.
            RuntimeError: :meth:`run` is not at its end.
        """
        if self._storing:
            raise RuntimeError(f'{self.destination}: run() is not at its end, and not all is on the disk')
        check_destination(self.destination, self._overwrite)
        self._count()
        try:
            self._place.make_room()
            # Not later: a journal that outlived its database would tell the next build that all is stored.
            self._journal.discard()
            self._place.take()
            self._finished = True
        except OSError as error:
            raise DataError(f'DST: "{self.destination}" cannot be written: {error.strerror}') from error
        finally:
            if not self._finished:
                with suppress(OSError):
                    self._place.put_back()
        self.close()

    def close(self) -> None:
        """Lets go of the build. What an unfinished one has stored is kept, to be gone on with.

        May be called twice.
        """
        if self._closed:
            return
        self._closed = True
        self._journal.close()
        if self._finished or not (self._journal.done or self._place.holds_replaced):
            # Before the lock goes: from then on another process may be building in there.
            shutil.rmtree(self._workshop, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def _lines(self) -> list[str]:
        return [line for image in self._identities for line in self._journal.done.get(image, ())]

    def _count(self) -> None:
        # There may be more: of an image that a sudden end left stored but not noted, and that has since gone.
        listed, held = len(self._lines()), count_entries(self.database)
        if held < listed:
            self._journal.discard()
            raise DataError(
                f'DST: "{self.database}" holds {held} of the {listed} images that are noted as stored; '
                'run the same command again, which begins anew'
            )

    def _forget_others(self) -> None:
        """Takes out what an earlier build stored of images that have since gone or changed."""
        others = self._journal.done.keys() - set(self._identities)
        if others:
            with self._writing() as writer:
                writer.delete(
                    line.partition('.')[0] for image in others for line in self._journal.done[image]
                )
            self._journal.forget(others)

    @contextmanager
    def _writing(self) -> Iterator[LmdbWriter]:
        self._storing = True
        try:
            with LmdbWriter(self.database, self._flush_behind) as writer:
                yield writer
            self._storing = False
        except FlushError:
            # Nobody knows which of the images that are noted the disk has lost.
            self._journal.discard()
            raise

    def _store(self, writer: LmdbWriter, batch: dict[int, list[Entry]]) -> Iterator[Stored]:
        if not batch:
            return
        writer.put([(entry.key, entry.data) for entries in batch.values() for entry in entries])
        self._journal.note({self._identities[n]: [e.line for e in batch[n]] for n in batch})
        yield from (Stored(self.planned[number].path, None) for number in batch)
