"""No other scheduler than BasicSR's three can be named; the options lose ``type`` as they are read.

In every release: ``BaseModel.setup_schedulers``. May go when it asks a registry.
"""

from __future__ import annotations

from typing import Any

from basicsr.models import lr_scheduler
from basicsr.models.base_model import BaseModel

from cclgan_plugin.errors import OptionError, did_you_mean
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method
from cclgan_plugin.training.schedulers import SCHEDULERS

__all__ = ['apply', 'known_schedulers', 'needed', 'setup_schedulers']


def known_schedulers() -> dict[str, type]:
    """Every name that ``train.scheduler.type`` may have, with its class."""
    return {
        'MultiStepLR': lr_scheduler.MultiStepRestartLR,
        'MultiStepRestartLR': lr_scheduler.MultiStepRestartLR,
        'CosineAnnealingRestartLR': lr_scheduler.CosineAnnealingRestartLR,
        **SCHEDULERS,
    }


def setup_schedulers(self: Any) -> None:
    """Give every optimizer a scheduler of the kind that ``train.scheduler`` describes.

    Raises:
        OptionError: there is no such scheduler, or it does not take these options.
    """
    arguments = dict(self.opt['train']['scheduler'])
    name = arguments.pop('type')
    known = known_schedulers()
    if name not in known:
        raise OptionError(
            f'train.scheduler.type: there is no scheduler "{name}".{did_you_mean(name, known)} '
            f'There are {", ".join(sorted(known))}.'
        )
    for optimizer in self.optimizers:
        try:
            self.schedulers.append(known[name](optimizer, **arguments))
        except (TypeError, AssertionError) as error:
            raise OptionError(f'train.scheduler: {name} does not take these options: {error}') from error


def apply() -> None:
    """Let every BasicSR model find its scheduler by name."""
    replace_method(BaseModel, 'setup_schedulers', setup_schedulers)
