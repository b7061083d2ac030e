"""What an optimizer steps, whatever groups it has been sorted into."""

from __future__ import annotations

from torch.nn import Parameter
from torch.optim import Optimizer


def parameters_of(optimizer: Optimizer) -> list[Parameter]:
    """All parameters of an optimizer, group after group."""
    return [p for group in optimizer.param_groups for p in group['params']]
