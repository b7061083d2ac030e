"""Images as a model has them, and as everybody else does: RGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
        return x if self.is_unit else x * self._column(self.std, x) + self._column(self.mean, x)

    def from_unit(self, x: Tensor) -> Tensor:
        """Images ``(N, 3, H, W)`` in [0, 1] as the model has them."""
        return x if self.is_unit else (x - self._column(self.mean, x)) / self._column(self.std, x)

    @staticmethod
    def _column(values: Sequence[float], x: Tensor) -> Tensor:
        return x.new_tensor(values).view(-1, 1, 1)


def _numbers(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, values))
