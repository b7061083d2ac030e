"""The same work on many images at once, with the results in order and without a pile of them in memory."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')

# Results that may wait for the consumer, which may stop for a moment to write; they may be large images.
_AHEAD = 16


def processors() -> int:
    """Processors that this process may use; a container or ``taskset`` may allow fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """``map(function, items)`` on threads: reading, decoding and encoding images let other threads run.

    Args:
        function: the work on one item. An error it raises is raised here, in the item's turn.
        items: taken only as far as the work is ahead of the consumer.
        workers: number of threads; None = one for each processor.

    Yields:
        The results in the order of the items.
    """
    workers = workers or processors()
    remaining = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix='images') as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in itertools.islice(remaining, workers + _AHEAD):
                pending.append(pool.submit(function, item))
            while pending:
                result = pending.popleft().result()
                for item in itertools.islice(remaining, 1):
                    pending.append(pool.submit(function, item))
                yield result
        finally:
            for future in pending:
                future.cancel()
