"""The factor by which a model of somebody else's scales its loss, in mixed precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.errors import OptionError


def find_scaler(owner: Any) -> torch.amp.GradScaler | None:
    """The gradient scaler that an object trains its generator with, if any.

    Of several among its attributes, the one whose name ends with ``_g``.

    Raises:
        OptionError: there are several, and their names do not tell which is the generator's.
    """
    scalers = {
        name: value
        for name, value in vars(owner).items()
        if isinstance(value, torch.amp.GradScaler) and value.is_enabled()
    }
    of_generator = {name: value for name, value in scalers.items() if name.endswith('_g')}
    found = of_generator if len(scalers) > 1 else scalers
    if len(scalers) > 1 and len(found) != 1:
        raise OptionError(
            f'base_model_type: {type(owner).__name__} has several gradient scalers ({", ".join(scalers)}); '
            'their names do not tell which one scales the loss of the generator; one should end with _g'
        )
    return next(iter(found.values()), None)


def loss_scale(owner: Any, device: torch.device) -> Tensor:
    """The present factor of the generator's loss, a scalar on ``device``; 1 without a scaler."""
    scaler, one = find_scaler(owner), torch.ones((), device=device)
    return one if scaler is None else scaler.scale(one)
