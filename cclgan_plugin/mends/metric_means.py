"""One image for which a metric is NaN makes the mean over the whole set NaN.

In every release: ``SRModel`` adds the values up and divides by the number of images. The mean is over those
that have a value. May go when NaN is left out there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from basicsr.models import sr_model

from cclgan_plugin.mends.release import is_measured_release as needed

__all__ = ['RunningSum', 'apply', 'needed']


#: From the values of a process's images to those of all images, where several processes share a set.
all_values: ContextVar[Callable[[list[float]], list[float]]] = ContextVar('all_values', default=list)


class RunningSum:
    """What adds up like a number, remembers the values it has seen, and leaves NaN out.

    Dividing it gives the mean over the values seen, by all processes that share the set, whatever the
    divisor; NaN if there were none.
    """

    def __init__(self, *values: float) -> None:
        self.values = list(values)

    def __radd__(self, other: float | RunningSum) -> RunningSum:
        return RunningSum(*other.values, *self.values) if isinstance(other, RunningSum) else self + other

    def __add__(self, other: float | RunningSum) -> RunningSum:
        # The sum begins with SRModel's plain 0, which is no value of an image.
        if isinstance(other, RunningSum):
            return RunningSum(*self.values, *other.values)
        if other != 0:
            raise TypeError('only the neutral 0 can be added to a sum over images')
        return self

    def __truediv__(self, number_of_images: int) -> float:
        seen = [value for value in all_values.get()(self.values) if not math.isnan(value)]
        return sum(seen) / len(seen) if seen else math.nan


def calculate_metric(data: dict[str, Any], opt: dict[str, Any]) -> RunningSum:
    """One image's value of a metric, ready to be added to SRModel's sum."""
    return RunningSum(float(calculate_metric.unmended(data, opt)))  # type: ignore[attr-defined]


def apply() -> None:
    """Average this way in ``SRModel`` and what is built on it; ``basicsr.metrics`` keeps plain numbers."""
    calculate_metric.unmended = sr_model.calculate_metric  # type: ignore[attr-defined]
    sr_model.calculate_metric = calculate_metric
