"""30 iterations asked for, 16 run, exit code 0; a dataset smaller than one batch: no iteration at all,
exit code 0.

In every release: ``create_train_val_dataloader`` counts the iterations of an epoch with ``ceil``, while
the loader drops the last, incomplete batch. May go when it counts ``len(train_loader)``.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import resume_state
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace

__all__ = ['apply', 'count_epochs', 'create_train_val_dataloader', 'needed']


def count_epochs(total_iter: int, iters_per_epoch: int, start_epoch: int = 0, start_iter: int = 0) -> int:
    """The last epoch's number that ``train_pipeline`` needs to reach ``total_iter``.

    The pipeline runs the epochs ``start_epoch`` to the returned one, both included, and stops at
    ``total_iter`` by itself. A resumed run gets one epoch to spare: its first epoch may be a
    remainder, and its epochs may have another length than those before the interruption.

    Args:
        total_iter: iterations of the whole run, >= 1.
        iters_per_epoch: batches that the loader gives per epoch, >= 1.
        start_epoch: epoch in which the run goes on.
        start_iter: iterations done before.
    """
    remaining = max(0, total_iter - start_iter)
    spare = 1 if start_iter > 0 else 0
    return start_epoch + max(1, math.ceil(remaining / iters_per_epoch)) - 1 + spare


def create_train_val_dataloader(opt: dict[str, Any], logger: logging.Logger) -> tuple[Any, ...]:
    """BasicSR's loaders and sampler, with as many epochs as ``train.total_iter`` takes.

    The model finds the number of batches per epoch as ``datasets.train.iters_per_epoch``.

    Raises:
        OptionError: the training set does not fill one batch.
    """
    original = create_train_val_dataloader.unmended  # type: ignore[attr-defined]
    train_loader, train_sampler, val_loaders, _, total_iter = original(opt, logger)
    if len(train_loader) == 0:
        train_opt = opt['datasets']['train']
        raise OptionError(
            f'datasets.train has {len(train_loader.dataset)} images, which do not fill one batch: '
            f'batch_size_per_gpu is {train_opt["batch_size_per_gpu"]}, with {opt["world_size"]} process(es) '
            f'and dataset_enlarge_ratio {train_opt.get("dataset_enlarge_ratio", 1)}. Lower '
            'batch_size_per_gpu or raise dataset_enlarge_ratio.'
        )
    opt['datasets']['train']['iters_per_epoch'] = len(train_loader)
    start_epoch, start_iter = resume_state.starting_point
    _resume_within_epoch(train_sampler, len(train_loader), train_loader.batch_size, start_epoch, start_iter)
    last_epoch = count_epochs(total_iter, len(train_loader), start_epoch, start_iter)
    logger.info(
        f'Full batches per epoch: {len(train_loader)}; {total_iter} iterations end in epoch {last_epoch}.'
    )
    return train_loader, train_sampler, val_loaders, last_epoch, total_iter


def _resume_within_epoch(
    sampler: Any, iters_per_epoch: int, batch_size: int, epoch: int, iteration: int
) -> None:
    """Leave out what the interrupted epoch has used already, where the sampler can (BasicSR's cannot)."""
    done = iteration - epoch * iters_per_epoch
    # With another batch size or number of processes than before, the epochs do not correspond.
    if iteration > 0 and hasattr(sampler, 'resume_at') and 0 <= done <= iters_per_epoch:
        sampler.resume_at(epoch, done * batch_size)


def apply() -> None:
    """Let ``train_pipeline`` count full batches."""
    from basicsr import train

    replace(train.create_train_val_dataloader, create_train_val_dataloader)
