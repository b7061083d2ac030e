"""30 iterations asked for, 16 run, exit code 0; a dataset smaller than one batch: no iteration at all,
exit code 0. A run that goes on with another number of processes, another batch or other images sees some
images twice and others never, and does not say so.

In every release: ``create_train_val_dataloader`` counts the iterations of an epoch with ``ceil``, while
the loader drops the last, incomplete batch; nothing is kept of how an epoch was dealt out. May go when it
counts ``len(train_loader)`` and compares.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import torch

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import resume_state, resumed_validation
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace
from cclgan_plugin.seeds import derive_seed
from cclgan_plugin.training.epoch_plan import Dealing, EpochPlan, set_plan
from cclgan_plugin.training.training_images import describe_images, image_differences

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

    The model finds the number of batches per epoch as ``datasets.train.iters_per_epoch``, and the whole plan
    in ``training.epoch_plan``.

    Raises:
        OptionError: the training set does not fill one batch, and ``datasets.train.small_set`` is not
            ``repeat``; or the run to go on with was dealt out differently or had other images, and
            ``path.resume_changed`` is not ``allow``.
    """
    original = create_train_val_dataloader.unmended  # type: ignore[attr-defined]
    train_loader, train_sampler, val_loaders, _, total_iter = original(opt, logger)
    train_opt = opt['datasets']['train']
    if len(train_loader) == 0:
        if train_opt.get('small_set') != 'repeat':
            raise OptionError(
                f'datasets.train has {len(train_loader.dataset)} images, which do not fill one batch: '
                f'batch_size_per_gpu is {train_opt["batch_size_per_gpu"]}, with {opt["world_size"]} '
                f'process(es) and dataset_enlarge_ratio {train_opt.get("dataset_enlarge_ratio", 1)}. Lower '
                'batch_size_per_gpu, raise dataset_enlarge_ratio, or set small_set: repeat.'
            )
        # Not batch_size_per_gpu: one process on several GPUs (DataParallel) takes a batch for all of them.
        wanted = train_loader.batch_size * opt['world_size']
        train_opt['dataset_enlarge_ratio'] = math.ceil(wanted / len(train_loader.dataset))
        logger.info(f'small_set: repeat: dataset_enlarge_ratio is {train_opt["dataset_enlarge_ratio"]} now.')
        train_loader, train_sampler, val_loaders, _, total_iter = original(opt, logger)
    train_opt['iters_per_epoch'] = len(train_loader)
    plan = _make_plan(opt, train_loader, train_sampler)
    set_plan(plan)
    resumed_validation.remember_loaders(val_loaders)
    # A generator of its own: what a new epoch draws must not depend on how often the run was interrupted.
    seed = derive_seed(opt.get('manual_seed') or 0, 'workers', opt['rank'], plan.start_iter)
    train_loader.generator = torch.Generator().manual_seed(seed)
    last_epoch = count_epochs(total_iter, len(train_loader), plan.start_epoch, plan.start_iter)
    logger.info(
        f'Full batches per epoch: {len(train_loader)}; {total_iter} iterations end in epoch {last_epoch}.'
    )
    return train_loader, train_sampler, val_loaders, last_epoch, total_iter


def _make_plan(opt: dict[str, Any], loader: Any, sampler: Any) -> EpochPlan:
    """The plan of this run. What the interrupted epoch has used already is left out, where the sampler can
    do that (a dataset may bring one that cannot).
    """
    world, share, batch = opt['world_size'], len(sampler), loader.batch_size
    images = describe_images(loader.dataset)
    dealing = Dealing(world, batch, share * world)
    epoch, iteration = resume_state.starting_point
    before = resume_state.starting_dealing
    if iteration == 0 or before is None:
        return EpochPlan(dealing, epoch, iteration, images)
    changes = before.differences(dealing) + image_differences(resume_state.starting_images, images)
    if changes and opt['path'].get('resume_changed') != 'allow':
        raise OptionError(
            f'{opt["path"]["resume_state"]} was saved by another kind of run: {"; ".join(changes)}. Go on as '
            'it was, or set path.resume_changed: allow (the images left of the epoch are then dealt out '
            'anew, and the run is not the one that an uninterrupted training would have been).'
        )
    if not hasattr(sampler, 'resume_at'):
        return EpochPlan(dealing, epoch, iteration, images)
    taken = min(before.taken // world, share)
    sampler.resume_at(epoch, taken)
    return EpochPlan(Dealing(world, batch, share * world, taken * world), epoch, iteration, images)


def apply() -> None:
    """Let ``train_pipeline`` count full batches."""
    from basicsr import train

    replace(train.create_train_val_dataloader, create_train_val_dataloader)
