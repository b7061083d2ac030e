"""A resumed run takes its first validation for the best so far. With a metric that it did not measure before:
``KeyError``.

In every release: training states do not hold the best values, and ``_initialize_best_metric_results`` asks
for the set's name alone. ``saving`` writes them down, ``resume_training`` takes them up. May go when BasicSR
does both.
"""

from __future__ import annotations

from typing import Any

from basicsr.models.base_model import BaseModel

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'initialize_best_metric_results', 'needed']


def initialize_best_metric_results(self: Any, dataset_name: str) -> None:
    """BasicSR's, also for metrics that a resumed run measures anew or judges the other way round."""
    before = vars(self).get('best_metric_results', {}).pop(dataset_name, {})
    initialize_best_metric_results.unmended(self, dataset_name)  # type: ignore[attr-defined]
    record = self.best_metric_results[dataset_name]
    for metric, best in record.items():
        if before.get(metric, {}).get('better') == best['better']:
            record[metric] = before[metric]


def apply() -> None:
    """Let every BasicSR model keep the best values of before."""
    replace_method(BaseModel, '_initialize_best_metric_results', initialize_best_metric_results)
