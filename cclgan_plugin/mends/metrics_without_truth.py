"""``missing 1 required positional argument: 'img2'`` at the first validation set without ground truth;
or, worse, its first image is compared with the last training batch.

In every release: ``val.metrics`` apply to every set. The metrics that need no reference still run, the
log names those left out, and each set keeps its own results. May go when metrics are chosen by set.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method
from cclgan_plugin.mends.validation_images import ValidationImages

__all__ = ['apply', 'measuring_sets', 'needed', 'needs_truth', 'nondist_validation']


def needs_truth(metric_type: str) -> bool:
    """Whether a registered metric compares with ground truth: it must be given ``img2``."""
    parameter = inspect.signature(METRIC_REGISTRY.get(metric_type)).parameters.get('img2')
    return parameter is not None and parameter.default is inspect.Parameter.empty


def measuring_sets(datasets: Mapping[str, Any], metric_type: str) -> Iterator[str]:
    """The phases of the validation or test sets on which a metric can be measured, in their order."""
    truth = needs_truth(metric_type)
    for phase, dataset in datasets.items():
        if phase.startswith(('val', 'test')) and not (truth and dataset['type'] == 'SingleImageDataset'):
            yield phase


def nondist_validation(
    self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool
) -> None:
    """BasicSR's validation of one set, with the metrics that the set allows.

    ``metric_results`` holds the results of this set, empty without metrics; ``metric_results_by_dataset``
    those of all sets by their names.
    """
    images = ValidationImages(dataloader)
    name = images.dataset.opt['name']
    val_opt = self.opt['val']
    metrics = val_opt.get('metrics') or {}
    if not images.has_truth:
        # What is left of a training batch would pass for the truth of the first image.
        vars(self).pop('gt', None)
        left_out = [label for label, metric in metrics.items() if needs_truth(metric['type'])]
        metrics = {label: metric for label, metric in metrics.items() if label not in left_out}
        if left_out:
            get_root_logger().info(f'{name} has no ground truth: {", ".join(left_out)} cannot be measured.')
    # The keys are those of the set before, unless the original finds none.
    vars(self).pop('metric_results', None)
    self.opt['val'] = {**val_opt, 'metrics': metrics or None}
    try:
        nondist_validation.unmended(self, images, current_iter, tb_logger, save_img)  # type: ignore[attr-defined]
    finally:
        self.opt['val'] = val_opt
    self.metric_results = dict(getattr(self, 'metric_results', {}))
    vars(self).setdefault('metric_results_by_dataset', {})[name] = self.metric_results


def apply() -> None:
    """Validate every model that is built on SRModel this way."""
    replace_method(SRModel, 'nondist_validation', nondist_validation)
