"""Images as a model has them, and as everybody else does: RGB in [0, 1]."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class ValueRange:
    """What a dataset's ``mean`` and ``std`` make of images, and the way back.

    Attributes:
        mean: subtracted from each channel; 0 for images that stay in [0, 1].
        std: divides each channel.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    @classmethod
    def of(cls, dataset_opt: Mapping[str, Any]) -> ValueRange:
        """Of the options of a dataset."""
        mean, std = dataset_opt.get('mean'), dataset_opt.get('std')
        # BasicSR normalises if either is given, and then needs both.
        return cls(_numbers(mean), _numbers(std)) if mean and std else cls()

    @property
    def is_unit(self) -> bool:
        """The images are in [0, 1]."""
        return self == ValueRange()

    def to_unit(self, x: Tensor) -> Tensor:
        """Images ``(N, 3, H, W)`` of the model in [0, 1]."""
        return x if self.is_unit else x * _column(self.std, x) + _column(self.mean, x)

    def from_unit(self, x: Tensor) -> Tensor:
        """Images ``(N, 3, H, W)`` in [0, 1] as the model has them."""
        return x if self.is_unit else (x - _column(self.mean, x)) / _column(self.std, x)


def _column(values: tuple[float, ...], x: Tensor) -> Tensor:
    return _column_on(values, x.dtype, x.device)


@functools.lru_cache(maxsize=16)
def _column_on(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Once, not in every step, since it lets the host wait for a GPU; of use in training wherever it was made.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device).view(-1, 1, 1)


def _numbers(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, values))
