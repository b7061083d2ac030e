"""``NotImplementedError: optimizer AdamW is not supperted yet.`` Without ``lr``: ``missing 1 required
positional argument``, once the run has begun.

The release knows Adam alone; BasicSR's development version knows more. May go when that is released.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from basicsr.models.base_model import BaseModel

from cclgan_plugin.errors import OptionError, did_you_mean
from cclgan_plugin.mends.replacing import replace_method

NAMES = ('Adam', 'AdamW', 'Adamax', 'ASGD', 'NAdam', 'RAdam', 'RMSprop', 'Rprop', 'SGD')


def needed() -> bool:
    """True where BasicSR refuses AdamW."""
    try:
        BaseModel.get_optimizer(None, 'AdamW', [torch.zeros(1)], 1e-3)
    except NotImplementedError:
        return True
    return False


def get_optimizer(
    self: Any, optim_type: str, params: Iterable[Any], *lr: float, **kwargs: Any
) -> torch.optim.Optimizer:
    """Torch's optimizer of that name; without ``lr`` with torch's learning rate.

    Raises:
        OptionError: there is no such optimizer, or it does not take these options.
    """
    if optim_type not in NAMES:
        raise OptionError(
            f'There is no optimizer "{optim_type}".{did_you_mean(optim_type, NAMES)} '
            f'There are {", ".join(NAMES)}.'
        )
    try:
        return getattr(torch.optim, optim_type)(params, *lr, **kwargs)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(f'The optimizer {optim_type} does not take these options: {error}') from error


def apply() -> None:
    """Let every BasicSR model choose among torch's optimizers for dense gradients."""
    replace_method(BaseModel, 'get_optimizer', get_optimizer)
