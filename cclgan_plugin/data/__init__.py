"""Data for training: reading and decoding, pairing and seeds, databases, checks, and rendered rain.

The names below are imported when they are asked for: commands that only handle images need no PyTorch.
``cclgan_plugin`` registers ``UnpairedImageDataset`` with BasicSR as it is imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cclgan_plugin.data.epoch_sampler import EpochSampler, SampleKey
    from cclgan_plugin.data.unpaired_image_dataset import UnpairedImageDataset

__all__ = ['EpochSampler', 'SampleKey', 'UnpairedImageDataset']

_HOMES = {
    'EpochSampler': 'epoch_sampler',
    'SampleKey': 'epoch_sampler',
    'UnpairedImageDataset': 'unpaired_image_dataset',
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOMES[name]}'), name)
