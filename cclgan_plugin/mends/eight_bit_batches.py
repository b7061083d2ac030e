"""``Input type (unsigned char) and bias type (float) should be the same``: a dataset that hands over 8-bit
images, a quarter of the memory to copy between processes and to a graphics card, cannot be trained on.

In every release: the prefetchers hand on what the dataset made. May go when they, or ``feed_data``, make
floats of bytes.
"""

from __future__ import annotations

from typing import Any

import torch

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed', 'next_on_cpu', 'next_on_cuda']

_IMAGES = ('lq', 'gt')


def next_on_cpu(self: Any) -> Any:
    """The next batch; bytes have become floats in [0, 1]."""
    return _as_floats(next_on_cpu.unmended(self))  # type: ignore[attr-defined]


def next_on_cuda(self: Any) -> Any:
    """The next batch; bytes were copied to the card as bytes and become floats in [0, 1] there."""
    return _as_floats(next_on_cuda.unmended(self))  # type: ignore[attr-defined]


def _as_floats(batch: Any) -> Any:
    if not isinstance(batch, dict):
        return batch
    found = {key: value for key, value in batch.items() if key in _IMAGES and _is_bytes(value)}
    return batch | {key: value.to(torch.float32).div_(255) for key, value in found.items()}


def _is_bytes(value: Any) -> bool:
    return torch.is_tensor(value) and value.dtype == torch.uint8


def apply() -> None:
    """Make floats where batches are handed out, whatever device they are on by then."""
    from basicsr.data.prefetch_dataloader import CPUPrefetcher, CUDAPrefetcher

    replace_method(CPUPrefetcher, 'next', next_on_cpu)
    replace_method(CUDAPrefetcher, 'next', next_on_cuda)
