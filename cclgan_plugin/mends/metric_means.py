"""One image for which a metric is NaN makes the mean over the whole set NaN.

In every release: ``SRModel`` adds the values up and divides by the number of images. The mean is over those
that have a value. May go when NaN is left out there.
"""

from __future__ import annotations

import math
from typing import Any

from basicsr.models import sr_model

from cclgan_plugin.mends.release import is_measured_release as needed

__all__ = ['RunningSum', 'apply', 'needed']


class RunningSum:
    """What adds up like a number, remembers how many values it has seen, and leaves NaN out.

    Dividing it gives the mean over the values seen, whatever the divisor; NaN if there were none.
    """

    def __init__(self, value: float) -> None:
        seen = not math.isnan(value)
        self.total = float(value) if seen else 0.0
        self.count = int(seen)

    def __radd__(self, other: float | RunningSum) -> RunningSum:
        return self + other

    def __add__(self, other: float | RunningSum) -> RunningSum:
        # The sum begins with SRModel's plain 0, which is no value of an image.
        if isinstance(other, RunningSum):
            result = RunningSum(math.nan)
            result.total, result.count = self.total + other.total, self.count + other.count
            return result
        if other != 0:
            raise TypeError('only the neutral 0 can be added to a sum over images')
        return self

    def __truediv__(self, number_of_images: int) -> float:
        return self.total / self.count if self.count else math.nan


def calculate_metric(data: dict[str, Any], opt: dict[str, Any]) -> RunningSum:
    """One image's value of a metric, ready to be added to SRModel's sum."""
    return RunningSum(float(calculate_metric.unmended(data, opt)))  # type: ignore[attr-defined]


def apply() -> None:
    """Average this way in ``SRModel`` and what is built on it; ``basicsr.metrics`` keeps plain numbers."""
    calculate_metric.unmended = sr_model.calculate_metric  # type: ignore[attr-defined]
    sr_model.calculate_metric = calculate_metric
