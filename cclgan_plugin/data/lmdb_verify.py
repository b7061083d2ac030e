"""Reading a whole LMDB back and comparing it with the images it was made of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import lmdb
import numpy as np

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.lmdb_entry import Entry, EntrySettings, make_entries
from cclgan_plugin.data.lmdb_environment import close_environment, environment
from cclgan_plugin.data.lmdb_plan import PlannedImage
from cclgan_plugin.data.ordered_work import in_order
from cclgan_plugin.data.sources import read_bytes
from cclgan_plugin.errors import DataError


class Verified(NamedTuple):
    """What was found of one image.

    Attributes:
        path: the file.
        problems: what differs; none if the database holds it as it should.
        no_good: no entry can be made of the file itself; the one problem says why.
    """

    path: str
    problems: list[str]
    no_good: bool = False


def verify_lmdb(
    database: str, planned: Sequence[PlannedImage], settings: EntrySettings, workers: int | None = None
) -> Iterator[Verified]:
    """Makes every entry once more, reads it from the database, compares all bytes, and decodes them.

    Where bytes differ but pixels do not (another version of an encoder), all is well.

    Args:
        database: its folder.
        planned: the images it should hold, and nothing else.
        settings: how they should be stored.
        workers: threads; None = one for each processor.

    Yields:
        One result per image, and one for the database itself (``path`` is its folder).

    Raises:
        DataError: it cannot be opened, or its list is missing.
    """
    opened = environment(database)
    lines: set[str] = set()
    expected: set[str] = set()

    def check(image: PlannedImage) -> tuple[Verified, list[Entry]]:
        try:
            entries = make_entries(read_bytes(image.path), image.path, image.key, settings)
        except ImageError as error:
            return Verified(image.path, [str(error)], no_good=True), []
        problems = [problem for entry in entries if (problem := _compare(opened, entry)) is not None]
        return Verified(image.path, problems), entries

    try:
        for verified, entries in in_order(check, planned, workers):
            expected.update(entry.key for entry in entries)
            lines.update(entry.line for entry in entries)
            yield verified
        yield Verified(database, _compare_lists(opened, database, expected, lines))
    finally:
        close_environment(database)


def _compare(opened: lmdb.Environment, entry: Entry) -> str | None:
    try:
        with opened.begin() as transaction:
            data = transaction.get(entry.key.encode())
    except lmdb.Error as error:
        return f'key "{entry.key}": {error}'
    if data is None:
        return f'key "{entry.key}" is missing'
    try:
        pixels = decode_image(data, f'key "{entry.key}"')
    except ImageError as error:
        return str(error)
    if data != entry.data and not np.array_equal(pixels, decode_image(entry.data, entry.key)):
        return f'key "{entry.key}" holds another image'
    return None


def _compare_lists(opened: lmdb.Environment, database: str, expected: set[str], lines: set[str]) -> list[str]:
    """What the database and its ``meta_info.txt`` have too much or too little."""
    with opened.begin() as transaction, transaction.cursor() as cursor:
        keys = {bytes(key).decode(errors='replace') for key in cursor.iternext(keys=True, values=False)}
    problems = [f'key "{key}" belongs to none of the images' for key in sorted(keys - expected)]
    path = os.path.join(database, 'meta_info.txt')
    try:
        with open(path, encoding='ascii') as file:
            listed = file.read().splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f'{path}: {error}') from error
    if len(listed) != len(set(listed)):
        problems.append('meta_info.txt has lines twice')
    problems += [f'meta_info.txt: "{line}" is wrong or too much' for line in sorted(set(listed) - lines)]
    problems += [f'meta_info.txt: "{line}" is missing' for line in sorted(lines - set(listed))]
    return problems
