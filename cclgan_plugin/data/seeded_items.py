"""Any dataset, made to draw the same random numbers for the same sample, whoever reads it and when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from cclgan_plugin.data.epoch_sampler import SampleKey
from cclgan_plugin.seeds import derive_seed


class PlacedIndex(int):
    """The index of an item that knows which sample of which epoch it is wanted for.

    To a dataset it is the index; a set that is enlarged gives an item several times in an epoch.

    Attributes:
        key: the sample.
    """

    key: SampleKey

    @classmethod
    def at(cls, index: int, key: SampleKey) -> PlacedIndex:
        """The index of the item that the sample ``key`` is to be."""
        placed = cls(index)
        placed.key = key
        return placed


class SeededItems(Dataset):
    """A dataset whose items are read with global generators seeded by ``manual_seed``, epoch and position.

    It need not know: whatever it draws from ``random``, ``np.random`` or PyTorch's CPU generator does not
    depend on the number of workers, on what was read before, or on whether the run was interrupted. The
    generators themselves stay where they were. By an index without a place, an item is read as ever.

    Args:
        dataset: with an item for each index; its attributes are also those of this one.
        manual_seed: of the run.
    """

    def __init__(self, dataset: Any, manual_seed: int) -> None:
        self.dataset = dataset
        self.manual_seed = manual_seed

    def __getattr__(self, name: str) -> Any:
        # Not those by which Python and the loader ask for abilities; nor what a copy does not have yet.
        if name.startswith('__') or name == 'dataset':
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        if not isinstance(index, PlacedIndex):
            return self.dataset[index]
        with _seeded(derive_seed(self.manual_seed, 'item', *index.key)):
            return self.dataset[int(index)]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators for a while."""
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    random.seed(seed)
    np.random.seed([seed >> 32, seed & 0xFFFFFFFF])
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])
