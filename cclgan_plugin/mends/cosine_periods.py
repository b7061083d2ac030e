"""``list indices must be integers or slices, not NoneType`` after 300 000 iterations (BasicSR #464).

In every release: ``CosineAnnealingRestartLR`` has no answer for an iteration beyond the sum of its periods.
May go when it has one.
"""

from __future__ import annotations

from typing import Any

from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, get_position_from_periods

from cclgan_plugin.mends.replacing import replace_method


def needed() -> bool:
    """True where no period is found for an iteration after the last one."""
    return get_position_from_periods(2, [1]) is None


def get_lr(self: Any) -> list[float]:
    """The learning rate of each parameter group; after the last period it stays where that one ended."""
    if self.last_epoch > self.cumulative_period[-1]:
        return [self.eta_min for _ in self.base_lrs]
    return get_lr.unmended(self)  # type: ignore[attr-defined]


def apply() -> None:
    """Let training go on at the lowest learning rate."""
    replace_method(CosineAnnealingRestartLR, 'get_lr', get_lr)
