"""What an optimizer steps, whatever groups it has been sorted into."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer


def parameters_of(optimizer: Optimizer) -> list[Parameter]:
    """All parameters of an optimizer, group after group."""
    return [p for group in optimizer.param_groups for p in group['params']]


def align_states(optimizer: Optimizer) -> None:
    """Lay running means out in memory as their parameters are, after a state has been loaded.

    A state that was saved in another memory format comes back in that. Fused optimizers go through the memory
    of parameters and means side by side, and would pair each number with a wrong one, without an error.
    """
    for p in parameters_of(optimizer):
        for name, value in optimizer.state.get(p, {}).items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.stride() != p.stride():
                optimizer.state[p][name] = torch.empty_like(p.detach(), dtype=value.dtype).copy_(value)
