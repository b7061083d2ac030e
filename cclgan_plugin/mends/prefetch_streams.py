"""``prefetch_mode: cuda``: now and then pixels of a later batch in an earlier one.

In every release: ``CUDAPrefetcher`` copies batches on a stream of its own and does not tell PyTorch's
allocator that the training reads them on another one. Memory of a batch that Python has let go, as a batch of
bytes is as soon as its conversion to floats is asked for, takes the next copy while it is still being read.
May go when ``preload`` calls ``record_stream``.
"""

from __future__ import annotations

from typing import Any

import torch

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed', 'preload']


def preload(self: Any) -> None:
    """Copy the next batch ahead; its memory stays its own until the stream that asked has done with it."""
    preload.unmended(self)  # type: ignore[attr-defined]
    for value in (self.batch or {}).values():
        if torch.is_tensor(value) and value.is_cuda:
            value.record_stream(torch.cuda.current_stream())


def apply() -> None:
    """Tell the allocator who reads what was copied ahead."""
    from basicsr.data.prefetch_dataloader import CUDAPrefetcher

    replace_method(CUDAPrefetcher, 'preload', preload)
