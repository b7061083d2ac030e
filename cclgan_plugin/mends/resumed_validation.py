"""A run that goes on from an iteration with a validation never does that validation: a best value is lost.

In every release: ``train_pipeline`` saves, then validates, and a resumed run begins with the next iteration.
May go when it looks at what was due.
"""

from __future__ import annotations

from typing import Any

from basicsr import train
from basicsr.models.base_model import BaseModel

from cclgan_plugin.mends import resume_state
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace, replace_method

__all__ = ['apply', 'init_tb_loggers', 'needed', 'remember_loaders', 'update_learning_rate']

_loaders: list[Any] = []
_tb_loggers: list[Any] = []


def remember_loaders(loaders: list[Any]) -> None:
    """The validation sets of the run that is about to begin."""
    _loaders[:] = loaders


def init_tb_loggers(opt: dict[str, Any]) -> Any:
    """BasicSR's TensorBoard writer, remembered."""
    _tb_loggers[:] = [init_tb_loggers.unmended(opt)]  # type: ignore[attr-defined]
    return _tb_loggers[0]


def update_learning_rate(self: Any, current_iter: int, warmup_iter: int = -1) -> None:
    """What begins each iteration; before the first one of a resumed run, the validation that was due."""
    before, val = current_iter - 1, self.opt.get('val')
    resumed = 0 < before == resume_state.starting_point[1]
    if resumed and val and (resume_state.starting_at_end or before % val['val_freq'] == 0):
        loaders, _loaders[:] = list(_loaders), []
        for loader in loaders:
            self.validation(loader, before, _tb_loggers[0] if _tb_loggers else None, val['save_img'])
    update_learning_rate.unmended(self, current_iter, warmup_iter)  # type: ignore[attr-defined]


def apply() -> None:
    """Resume every BasicSR model this way."""
    replace(train.init_tb_loggers, init_tb_loggers)
    replace_method(BaseModel, 'update_learning_rate', update_learning_rate)
