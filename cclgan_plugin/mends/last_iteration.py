"""The validation after training is labelled ``total_iter + 1``, or more, in file names, logs and
TensorBoard.

In every release: the pipeline's counter has run past the end by then. May go when it is set back.
"""

from __future__ import annotations

from typing import Any

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed']


def validation(
    self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool = False
) -> None:
    """BasicSR's validation, for an iteration that exists. (A test run passes its name instead.)"""
    if self.is_train and isinstance(current_iter, int):
        current_iter = min(current_iter, int(self.opt['train']['total_iter']))
    validation.unmended(self, dataloader, current_iter, tb_logger, save_img)  # type: ignore[attr-defined]


def apply() -> None:
    """Label the last validation of every BasicSR model rightly."""
    from basicsr.models.base_model import BaseModel

    replace_method(BaseModel, 'validation', validation)
