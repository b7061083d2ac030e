"""Which sample of which epoch: keys that carry the epoch, and the sampler that deals them out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from torch.utils.data import Sampler


class SampleKey(NamedTuple):
    """The name of one training sample; everything random about the sample follows from it.

    A key, not a bare index, reaches the worker, so a worker that lives through many epochs knows which
    one it serves, and it does not matter which worker that is.

    Attributes:
        epoch: counts from 0.
        position: place in the epoch's order over all ranks, from 0.
    """

    epoch: int
    position: int


class DealtEpoch:
    """What samplers have in common that deal an epoch to the ranks and can go on in the middle of one.

    Attributes:
        num_replicas: number of processes that train together.
        rank: this process, in [0, num_replicas).
        num_samples: of an epoch, for each process.
        epoch: that the next iteration deals out.
    """

    num_replicas: int
    rank: int
    num_samples: int
    epoch: int
    _resume = SampleKey(-1, 0)

    def resume_at(self, epoch: int, taken: int) -> None:
        """Leaves out, in this one epoch, the first samples because an interrupted run has used them.

        Args:
            epoch: the epoch that was interrupted.
            taken: how many of its samples this rank has used.
        """
        if not 0 <= taken <= self.num_samples:
            raise ValueError(f'{taken} samples of an epoch of {self.num_samples} cannot have been used')
        self._resume = SampleKey(epoch, taken)

    def steps_left(self) -> range:
        """Which of this rank's samples of the epoch are still to come, counted from 0."""
        return range(self._resume.position if self._resume.epoch == self.epoch else 0, self.num_samples)

    def key(self, step: int) -> SampleKey:
        """The place, among those of all ranks, of one of this rank's samples."""
        return SampleKey(self.epoch, step * self.num_replicas + self.rank)


class EpochSampler(DealtEpoch, Sampler[SampleKey]):
    """Deals the positions of an epoch to the ranks like cards: rank r gets r, r + world, r + 2 world, ...

    Together the ranks see exactly the positions that a single process would see, in the same order.
    It stands in for BasicSR's ``EnlargedSampler`` and has its ``set_epoch``; there is nothing to
    shuffle here, because the dataset maps positions to images by fresh permutations.

    Args:
        length: number of samples in the dataset.
        num_replicas: number of processes that train together.
        rank: this process, in [0, num_replicas).
        ratio: ``dataset_enlarge_ratio``: an epoch has ``length * ratio`` samples, rounded up to a multiple of
            the number of processes.

    Raises:
        ValueError: ``rank`` is outside of [0, num_replicas), or the epoch would be empty.
    """

    def __init__(self, length: int, num_replicas: int = 1, rank: int = 0, ratio: float = 1) -> None:
        if not 0 <= rank < num_replicas:
            raise ValueError(f'rank {rank} is not one of {num_replicas} processes')
        if length * ratio <= 0:
            raise ValueError(f'an epoch of {length} x {ratio} samples is empty')
        self.num_replicas = num_replicas
        self.rank = rank
        self.num_samples = math.ceil(length * ratio / num_replicas)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next iteration deals out."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[SampleKey]:
        return map(self.key, self.steps_left())

    def __len__(self) -> int:
        return self.num_samples
