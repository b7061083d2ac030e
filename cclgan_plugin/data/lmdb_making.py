"""What the images of a plan become in an LMDB, many at once and in their order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.lmdb_entry import Entry, EntrySettings, make_entries
from cclgan_plugin.data.lmdb_plan import PlannedImage
from cclgan_plugin.data.ordered_work import in_order
from cclgan_plugin.data.sources import read_bytes

# What a thread reads in one go: to hand over a small file alone costs as much as to read it. Images that are
# encoded anew take longer, and nobody knows how large they become: they are handed over one by one.
_TASK_BYTES = 256 << 10
# What the smallest file counts as, or an empty one: opening it takes as long.
_LEAST_BYTES = 4 << 10


class Made(NamedTuple):
    """What one image becomes.

    Attributes:
        number: of the image in the plan.
        entries: its entries; none if it is no good.
        error: what is wrong with it, or None.
    """

    number: int
    entries: list[Entry]
    error: ImageError | None


def make_all(
    planned: Sequence[PlannedImage],
    sizes: Sequence[int],
    numbers: Iterable[int],
    settings: EntrySettings,
    workers: int | None,
) -> Iterator[Made]:
    """Reads images and, where the settings ask for it, encodes them anew.

    Args:
        planned: the plan.
        sizes: of its files, in bytes.
        numbers: which of its images, and in which order.
        settings: how they are stored.
        workers: threads; None = one for each processor.
    """

    def make(task: list[int]) -> list[Made]:
        return [_make(planned[number], number, settings) for number in task]

    tasks = _tasks(numbers, sizes) if settings.keeps_bytes else ([number] for number in numbers)
    return itertools.chain.from_iterable(in_order(make, tasks, workers))


def _tasks(numbers: Iterable[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    task: list[int] = []
    size = 0
    for number in numbers:
        task.append(number)
        size += max(sizes[number], _LEAST_BYTES)
        if size >= _TASK_BYTES:
            yield task
            task, size = [], 0
    if task:
        yield task


def _make(image: PlannedImage, number: int, settings: EntrySettings) -> Made:
    try:
        return Made(number, make_entries(read_bytes(image.path), image.path, image.key, settings), None)
    except ImageError as error:
        return Made(number, [], error)
