"""Learning-rate schedulers that ``train.scheduler.type`` finds by name."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cclgan_plugin.errors import OptionError


class LinearDecayLR(LRScheduler):
    """Constant, then linearly towards zero (the authors' release: 200 epochs of each).

    In iteration ``t = 0, 1, ...``, which lies in epoch ``e = t // iters_per_epoch``, the learning rate is
    the initial one times ``1 - max(0, e + 1 - S) / (D - S + 1)``, where ``S`` and ``D`` are
    ``decay_start`` and ``decay_end`` in epochs. With 200 and 400 epochs this is the authors'
    ``1 - max(0, e + 1 - 200) / 201``. After ``decay_end`` the factor goes on to 0 and stays there.

    Args:
        optimizer: whose learning rates are scheduled.
        decay_start: first iteration that may decay, >= 0.
        decay_end: iteration at which training is to end, > decay_start.
        iters_per_epoch: the factor changes every so many iterations; 1 (the default) changes it in each.

    Raises:
        OptionError: the three numbers contradict each other.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay_start: int,
        decay_end: int,
        iters_per_epoch: int = 1,
        last_epoch: int = -1,
    ) -> None:
        if iters_per_epoch < 1:
            raise OptionError(f'LinearDecayLR: iters_per_epoch must be at least 1, not {iters_per_epoch}.')
        if not 0 <= decay_start < decay_end:
            raise OptionError(
                'LinearDecayLR: 0 <= decay_start < decay_end is expected (both in iterations), '
                f'not decay_start {decay_start} and decay_end {decay_end}.'
            )
        self.decay_start = decay_start
        self.decay_end = decay_end
        self.iters_per_epoch = iters_per_epoch
        super().__init__(optimizer, last_epoch)

    def factor(self, iteration: int) -> float:
        """The share of the initial learning rate, in [0, 1], that iteration ``iteration`` (from 0) uses."""
        epoch = iteration // self.iters_per_epoch
        start = self.decay_start / self.iters_per_epoch
        end = self.decay_end / self.iters_per_epoch
        return max(0.0, 1.0 - max(0.0, epoch + 1 - start) / (end - start + 1))

    def get_lr(self) -> list[float | Tensor]:
        """The learning rate of each parameter group now; computed anew, so a resumed run has the same."""
        factor = self.factor(self.last_epoch)
        return [base_lr * factor for base_lr in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands, without the options: those of the resumed run count."""
        options = ('decay_start', 'decay_end', 'iters_per_epoch')
        return {key: value for key, value in super().state_dict().items() if key not in options}


#: name -> class; ``train.scheduler.type`` looks here after BasicSR's own three.
SCHEDULERS: dict[str, type] = {'LinearDecayLR': LinearDecayLR}
