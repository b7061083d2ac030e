"""A validation loader that knows its current image, for messages about it.

Not a mend by itself but what two of them share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from itertools import chain
from typing import Any

NOBODY_KNOWS = 'an image'

#: The path of the image that this process is validating, where that is known.
current_image: ContextVar[str] = ContextVar('current_image', default=NOBODY_KNOWS)


class ValidationImages:
    """The batches of ``loader``, the first of which has been looked at.

    Attributes:
        dataset: the loader's.
        has_truth: whether the batches hold ground truth.
    """

    def __init__(self, loader: Any) -> None:
        self.dataset = loader.dataset
        self._length = len(loader)
        batches = iter(loader)
        first = next(batches, None)
        self.has_truth = first is not None and 'gt' in first
        self._batches = batches if first is None else chain([first], batches)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        try:
            for batch in self._batches:
                current_image.set(batch['lq_path'][0])
                yield batch
        finally:
            current_image.set(NOBODY_KNOWS)
