"""``persistent_workers option needs num_workers > 0``, for a validation set or with
``num_worker_per_gpu: 0``. Without persistent workers, ``random`` and ``np.random`` give the same crops
in every epoch. With another number of workers, or after an interruption, the crops are others.
``DataLoader worker is killed by signal: Terminated``, or ``exited unexpectedly``, where a scheduler, or
Ctrl-C in a terminal, stops all processes.

In every release: ``build_dataloader`` passes the option on whether or not there are workers, and seeds
each worker by its number alone (200 distinct crops where there should be 800). May go when it asks for
workers first, has a seed for each sample of each epoch and leaves signals to the main process.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from cclgan_plugin.data.seeded_items import SeededItems
from cclgan_plugin.mends.dataset_sampler import ResumableSampler
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace
from cclgan_plugin.training.worker_signals import leave_stopping_to_parent

__all__ = ['apply', 'build_dataloader', 'needed', 'worker_init_fn']


def build_dataloader(
    dataset: Dataset,
    dataset_opt: dict[str, Any],
    num_gpu: int = 1,
    dist: bool = False,
    sampler: Sampler | None = None,
    seed: int | None = None,
) -> DataLoader:
    """BasicSR's loader; workers persist only where there are any.

    A dataset that leaves its order to BasicSR's sampler, and so knows nothing of epochs, gets its random
    numbers by what each sample is.
    """
    workers = dataset_opt.get('num_worker_per_gpu', 0) if dataset_opt['phase'] == 'train' else 0
    persistent = bool(dataset_opt.get('persistent_workers')) and workers > 0
    mended_opt = {**dataset_opt, 'persistent_workers': persistent}
    if isinstance(sampler, ResumableSampler) and seed is not None:
        dataset = SeededItems(dataset, seed)
    return build_dataloader.unmended(dataset, mended_opt, num_gpu, dist, sampler, seed)  # type: ignore[attr-defined]


def worker_init_fn(worker_id: int, num_workers: int, rank: int, seed: int) -> None:
    """Seed ``random`` and ``np.random`` of a worker, anew for each epoch, reproducibly from ``manual_seed``.

    Signals that ask a run to stop are left to the main process.

    Torch has already given this worker a seed of its own, drawn in the main process as each epoch starts.

    Args:
        worker_id: number of the worker in this process.
        num_workers: workers of each process.
        rank: of the process.
        seed: ``manual_seed``.
    """
    leave_stopping_to_parent()
    mixed = np.random.SeedSequence([torch.initial_seed(), num_workers * rank + worker_id, seed])
    np.random.seed(mixed.generate_state(4))
    random.seed(int(mixed.generate_state(1, np.uint64)[0]))


def apply() -> None:
    """Build every loader of BasicSR's pipelines this way."""
    from basicsr import data

    replace(data.build_dataloader, build_dataloader)
    replace(data.worker_init_fn, worker_init_fn)
