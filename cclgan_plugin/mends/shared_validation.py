"""Distributed validation with buffers and without EMA crashes or stands still; where it runs, all processes
but one wait for it, and where it fails, for ever.

In every release: rank 0 alone validates, and calls the DDP-wrapped networks, which then talk to ranks that
are elsewhere. Each process with bare networks on its share of the images does. May go when
``dist_validation`` does so.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import torch.distributed as dist
from basicsr.models.sr_model import SRModel
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cclgan_plugin.mends.metric_means import all_values
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method
from cclgan_plugin.training.distributed import ending_together
from cclgan_plugin.training.together import agree, end_all

__all__ = ['Share', 'apply', 'dist_validation', 'needed']


class Share:
    """The images ``rank``, ``rank + world``, ... of a validation loader.

    Attributes:
        dataset: the loader's.
        number: how many images are this process's. Where there are fewer images than processes it may be
            none; the first image is gone through then all the same, and does not count.
    """

    def __init__(self, loader: Any, rank: int, world: int) -> None:
        self.dataset = loader.dataset
        self._collate = loader.collate_fn
        self._indices = range(rank, len(self.dataset), world)
        self.number = len(self._indices)

    def __len__(self) -> int:
        return max(1, self.number)

    def __iter__(self) -> Iterator[Any]:
        for index in self._indices or [0]:
            yield self._collate([self.dataset[index]])

    def of_all(self, values: list[float]) -> list[float]:
        """The values of all images in their order, from those of this process's; called by all together."""
        shares = agree(values[: self.number])
        gone = object()
        dealt = chain.from_iterable(zip_longest(*shares, fillvalue=gone))
        return [value for value in dealt if value is not gone]


def _share_buffers(net: nn.Module) -> None:
    """Give all processes the running statistics of rank 0, those that are saved; each has its own else."""
    for buffer in net.buffers():
        dist.broadcast(buffer, 0)


def dist_validation(
    self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool
) -> None:
    """Validate with the networks themselves, each process its share; all end with the metrics of all images.

    A model with a validation of its own, which may know nothing of shares, validates on rank 0, and the
    other ranks wait. An error of one process ends all of them here.
    """
    wrapped = {name: net for name, net in vars(self).items() if isinstance(net, DistributedDataParallel)}
    vars(self).update({name: net.module for name, net in wrapped.items()})
    for net in wrapped.values():
        _share_buffers(net.module)
    together = ending_together.set(True)
    own = getattr(self.nondist_validation, '__func__', None) is not SRModel.nondist_validation
    try:
        if own:
            if self.opt['rank'] == 0:
                self.nondist_validation(dataloader, current_iter, tb_logger, save_img)
        else:
            share = Share(dataloader, self.opt['rank'], self.opt['world_size'])
            token = all_values.set(share.of_all)
            try:
                self.nondist_validation(share, current_iter, tb_logger, save_img and share.number > 0)
            finally:
                all_values.reset(token)
        agree()
    except Exception as error:
        end_all(error)
        raise
    finally:
        ending_together.reset(together)
        vars(self).update(wrapped)


def apply() -> None:
    """Validate every model that is built on SRModel this way."""
    replace_method(SRModel, 'dist_validation', dist_validation)
