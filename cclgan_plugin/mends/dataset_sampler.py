"""A dataset cannot bring its own sampler: ``EnlargedSampler`` shuffles by the epoch's number alone, so two
seeds see the same order, and a dataset of two sides cannot be paired anew.

In every release: ``train_pipeline`` builds its sampler by that one name. May go when it asks the dataset.
"""

from __future__ import annotations

from torch.utils.data import Dataset, Sampler

from cclgan_plugin.mends.release import is_measured_release as needed

__all__ = ['apply', 'build_sampler', 'needed']


def build_sampler(dataset: Dataset, num_replicas: int, rank: int, ratio: int = 1) -> Sampler:
    """The dataset's own sampler if it has ``make_sampler``, else BasicSR's ``EnlargedSampler``.

    Args:
        dataset: to draw from.
        num_replicas: processes that share an epoch.
        rank: of this process.
        ratio: ``dataset_enlarge_ratio``.
    """
    from basicsr.data.data_sampler import EnlargedSampler

    if hasattr(dataset, 'make_sampler'):
        return dataset.make_sampler(num_replicas, rank, ratio)
    return EnlargedSampler(dataset, num_replicas, rank, ratio)


def apply() -> None:
    """Let ``train_pipeline`` ask the dataset; the class itself stays where it is defined."""
    from basicsr import train

    train.EnlargedSampler = build_sampler
