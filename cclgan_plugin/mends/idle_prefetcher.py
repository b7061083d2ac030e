"""The workers of the first epoch are started twice.

In every release: ``CPUPrefetcher`` starts an iterator when it is made, and ``train_pipeline`` throws
that one away before the first batch; with spawned workers that is seconds for each. May go when it
starts on demand.
"""

from __future__ import annotations

from typing import Any

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed']


class _OnDemand:
    """An iterator over ``loader`` that begins with the first batch asked for."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.batches: Any = None

    def __iter__(self) -> _OnDemand:
        return self

    def __next__(self) -> Any:
        if self.batches is None:
            self.batches = iter(self.loader)
        return next(self.batches)


def __init__(self: Any, loader: Any) -> None:
    """Keep the loader; start nothing yet."""
    self.ori_loader = loader
    self.loader = _OnDemand(loader)


def apply() -> None:
    """Start the workers once."""
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    replace_method(CPUPrefetcher, '__init__', __init__)
