"""``prefetch_mode: cpu`` and an unreadable image: the run stands still for ever.

In every release: the thread that fetches ahead dies with its error, and the main thread waits for a
batch that nobody will bring. May go when ``PrefetchGenerator`` hands errors on.
"""

from __future__ import annotations

from typing import Any

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed']


class _Failed:
    """Carries an error through the queue of batches."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def run(self: Any) -> None:
    """Fetch ahead until the batches, or the thread's luck, come to an end."""
    try:
        for item in self.generator:
            self.queue.put(item)
    except BaseException as error:
        self.queue.put(_Failed(error))
    else:
        self.queue.put(None)


def __next__(self: Any) -> Any:
    """The next batch; an error met while fetching is raised here, in the thread that trains."""
    item = self.queue.get()
    if isinstance(item, _Failed):
        raise item.error
    if item is None:
        raise StopIteration
    return item


def apply() -> None:
    """Bring the errors of the fetching thread to the thread that waits."""
    from basicsr.data.prefetch_dataloader import PrefetchGenerator

    replace_method(PrefetchGenerator, 'run', run)
    replace_method(PrefetchGenerator, '__next__', __next__)
