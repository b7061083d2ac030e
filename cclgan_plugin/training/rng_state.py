"""The global random generators of a process, as plain data that a safe load accepts."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def rng_state(device: torch.device) -> dict[str, Any]:
    """The state of every global generator of this process.

    Args:
        device: on which the process computes.

    Returns:
        ``python``, ``numpy``, ``torch`` and, on a GPU, ``device``: lists of numbers, and byte tensors.
    """
    version, numbers, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        'python': [version, list(numbers), gauss],
        'numpy': [str(kind), [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
        'torch': torch.get_rng_state(),
    }
    if device.type != 'cpu':
        state['device'] = getattr(torch, device.type).get_rng_state()
    return state


def set_rng_state(state: dict[str, Any], device: torch.device) -> None:
    """Put every generator back to where :func:`rng_state` found it; a GPU's only if it was one then too."""
    version, numbers, gauss = state['python']
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, position, has_gauss, cached = state['numpy']
    np.random.set_state((kind, np.array(keys, np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state['torch'])
    if device.type != 'cpu' and 'device' in state:
        getattr(torch, device.type).set_rng_state(state['device'])
