"""A dataset cannot bring its own sampler: ``EnlargedSampler`` shuffles by the epoch's number alone, so two
seeds see the same order, and a dataset of two sides cannot be paired anew. A run that goes on in the middle
of an epoch begins it again: some images are seen twice.

In every release: ``train_pipeline`` builds its sampler by that one name. May go when it asks the dataset, and
the sampler can leave out what was taken.
"""

from __future__ import annotations

from collections.abc import Iterator

from basicsr.data.data_sampler import EnlargedSampler
from torch.utils.data import Dataset, Sampler

from cclgan_plugin.data.epoch_sampler import DealtEpoch
from cclgan_plugin.data.seeded_items import PlacedIndex
from cclgan_plugin.mends.release import is_measured_release as needed

__all__ = ['ResumableSampler', 'apply', 'build_sampler', 'needed']


class ResumableSampler(DealtEpoch, EnlargedSampler):
    """BasicSR's ``EnlargedSampler``, its indices in its order, which can go on within an epoch."""

    def __iter__(self) -> Iterator[PlacedIndex]:
        indices = list(super().__iter__())
        return (PlacedIndex.at(indices[step], self.key(step)) for step in self.steps_left())


def build_sampler(dataset: Dataset, num_replicas: int, rank: int, ratio: int = 1) -> Sampler:
    """The dataset's own sampler if it has ``make_sampler``, else BasicSR's, which can be resumed.

    Args:
        dataset: to draw from.
        num_replicas: processes that share an epoch.
        rank: of this process.
        ratio: ``dataset_enlarge_ratio``.
    """
    if hasattr(dataset, 'make_sampler'):
        return dataset.make_sampler(num_replicas, rank, ratio)
    return ResumableSampler(dataset, num_replicas, rank, ratio)


def apply() -> None:
    """Let ``train_pipeline`` ask the dataset; the class itself stays where it is defined."""
    from basicsr import train

    train.EnlargedSampler = build_sampler
