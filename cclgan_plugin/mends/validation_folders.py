"""While training, the pictures of several validation sets go to one folder: of images of one name, as all
deraining sets have them, the last set's stays.

In every release: ``SRModel.nondist_validation``. May go when the set's name is part of the path, as it is in
tests.
"""

from __future__ import annotations

import os
from typing import Any

from basicsr.models.sr_model import SRModel

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed', 'nondist_validation']


def nondist_validation(
    self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool
) -> None:
    """Validate; each of several sets has its pictures in a folder of its own."""
    path, sets = self.opt['path'], [phase for phase in self.opt['datasets'] if phase.startswith('val')]
    try:
        if save_img and self.is_train and len(sets) > 1:
            folder = os.path.join(path['visualization'], dataloader.dataset.opt['name'])
            self.opt['path'] = {**path, 'visualization': folder}
        nondist_validation.unmended(self, dataloader, current_iter, tb_logger, save_img)  # type: ignore[attr-defined]
    finally:
        self.opt['path'] = path


def apply() -> None:
    """Validate every model that is built on SRModel this way."""
    replace_method(SRModel, 'nondist_validation', nondist_validation)
