"""Distributed validation with buffers and without EMA crashes or stands still.

In every release: rank 0 alone calls the DDP-wrapped networks, which then talk to ranks that are elsewhere.
Bare networks and a barrier do. May go when ``dist_validation`` uses them.
"""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from basicsr.models.sr_model import SRModel
from torch.nn.parallel import DistributedDataParallel

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'dist_validation', 'needed']


def dist_validation(
    self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool
) -> None:
    """Validate on rank 0, with the networks themselves; the other ranks wait."""
    if self.opt['rank'] == 0:
        wrapped = {name: net for name, net in vars(self).items() if isinstance(net, DistributedDataParallel)}
        vars(self).update({name: net.module for name, net in wrapped.items()})
        try:
            self.nondist_validation(dataloader, current_iter, tb_logger, save_img)
        finally:
            vars(self).update(wrapped)
    dist.barrier()


def apply() -> None:
    """Validate every model that is built on SRModel this way."""
    replace_method(SRModel, 'dist_validation', dist_validation)
