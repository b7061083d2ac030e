"""After a warm-up of ``w`` iterations MultiStepLR stays at ``(w - 1) / w`` of the learning rate for good: it
goes on from the rate before, which is then that of the last iteration of the warm-up.

In every release: ``BaseModel.update_learning_rate``. May go when the first iteration after the warm-up begins
at the full rate.
"""

from __future__ import annotations

from typing import Any

from basicsr.models.base_model import BaseModel

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed', 'update_learning_rate']


def update_learning_rate(self: Any, current_iter: int, warmup_iter: int = -1) -> None:
    """Set the learning rate of an iteration.

    Args:
        current_iter: from 1.
        warmup_iter: the iteration that is the first one at the full rate; -1 = no warm-up.
    """
    if current_iter == warmup_iter:
        self._set_lr(self._get_init_lr())
    update_learning_rate.unmended(self, current_iter, warmup_iter)  # type: ignore[attr-defined]


def apply() -> None:
    """Let every BasicSR model warm up this way."""
    replace_method(BaseModel, 'update_learning_rate', update_learning_rate)
