"""``num_gpu: 1`` without a GPU: a bare AssertionError from torch. An Apple GPU is never used.

In every release: ``BaseModel`` takes CUDA for any ``num_gpu`` but 0. May go when it asks what there is.
"""

from __future__ import annotations

from typing import Any

import torch
from basicsr.models.base_model import BaseModel

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import experiment_folders
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'available_gpus', 'check_num_gpu', 'choose_device', 'needed']


def available_gpus() -> int:
    """How many GPUs this process sees; what ``num_gpu: auto`` stands for."""
    return torch.cuda.device_count() or int(torch.backends.mps.is_available())


def check_num_gpu(opt: dict[str, Any]) -> None:
    """Compare ``num_gpu`` with what there is.

    Raises:
        OptionError: it is neither a number nor ``auto``, or larger than the number of GPUs.
    """
    num_gpu = opt.get('num_gpu', 'auto')  # programs of others may only want folders to be created
    if num_gpu == 'auto':
        return
    if isinstance(num_gpu, bool) or not isinstance(num_gpu, int) or num_gpu < 0:
        raise OptionError(f'num_gpu: a number >= 0 or auto is expected, not {num_gpu!r}.')
    available = available_gpus()
    if num_gpu > available:
        raise OptionError(
            f'num_gpu: {num_gpu} GPU(s) are asked for and torch sees {available}. Write num_gpu: auto to '
            'take what there is, or num_gpu: 0 for the CPU.'
        )


def choose_device(opt: dict[str, Any]) -> torch.device:
    """The device of a model: CUDA's current one, an Apple GPU, or the CPU.

    Raises:
        OptionError: the GPUs asked for are not there.
    """
    check_num_gpu(opt)
    if (available_gpus() if opt['num_gpu'] == 'auto' else opt['num_gpu']) == 0:
        return torch.device('cpu')
    return torch.device('cuda' if torch.cuda.is_available() else 'mps')


def __init__(self: Any, opt: dict[str, Any]) -> None:
    """What every BasicSR model begins with."""
    __init__.unmended(self, opt)  # type: ignore[attr-defined]
    self.device = choose_device(opt)


def apply() -> None:
    """Choose the device of every BasicSR model this way, and check it before anything is created."""
    replace_method(BaseModel, '__init__', __init__)
    if check_num_gpu not in experiment_folders.before_create:
        experiment_folders.before_create.append(check_num_gpu)
