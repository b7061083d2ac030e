"""Is there a place to write to, and are the helpers at hand: encoders' weights, wandb?"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from cclgan_plugin.errors import OptionError


def check_output_folder(opt: dict[str, Any]) -> None:
    """The folder of the run can be made.

    Raises:
        OptionError: something on its way is a file, or may not be written.
    """
    folder = Path(opt['path']['experiments_root' if opt['is_train'] else 'results_root'])
    existing = folder.parent
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise OptionError(f'path.root: results would go to {folder}, but {existing} is not a folder')
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OptionError(f'path.root: results would go to {folder}, but {existing} may not be written')


def check_prefetching(opt: dict[str, Any]) -> None:
    """There is a GPU for BasicSR's CUDA prefetcher.

    Raises:
        OptionError: there is none.
    """
    train = (opt['datasets'].get('train') or {}) if opt['is_train'] else {}
    if train.get('prefetch_mode') == 'cuda':
        import torch

        if not torch.cuda.is_available():
            raise OptionError(
                'datasets.train.prefetch_mode: there is no CUDA GPU that "cuda" could copy batches to; write '
                'cpu or ~'
            )


def check_wandb(opt: dict[str, Any]) -> None:
    """Weights & Biases is installed if it is asked for.

    Raises:
        OptionError: it is not.
    """
    wandb = (opt.get('logger') or {}).get('wandb') or {}
    if opt['is_train'] and wandb.get('project') and importlib.util.find_spec('wandb') is None:
        raise OptionError('logger.wandb.project: the package wandb is not installed: pip install wandb')


def check_encoders(opt: dict[str, Any]) -> None:
    """The weights of every semantic encoder are at hand, or can be fetched now.

    Raises:
        WeightsError: they are not.
        OptionError: an encoder refuses its options.
    """
    train = opt.get('train') or {}
    added = train.get('contrastive_opt') if opt.get('model_type') == 'ContrastiveModel' else None
    losses = [train.get('intra_ccl_opt'), *(added or {}).values()]
    if not opt['is_train']:
        return
    from cclgan_plugin.encoders import build_encoder

    for loss in losses:
        if not isinstance(loss, dict) or loss.get('loss_weight', 1.0) == 0:
            continue
        encoders = loss.get('encoder')
        for encoder in encoders if isinstance(encoders, list) else [encoders]:
            if isinstance(encoder, dict):  # LCL may also say "net_g", and a loss may have none
                build_encoder(encoder).check()
