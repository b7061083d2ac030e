"""What an optimizer steps, whatever groups it has been sorted into."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

#: Of a saved group of parameters, what the options of a resumed run do not replace.
_OF_THE_RUN = {'params', 'param_names', 'lr', 'initial_lr'}


def parameters_of(optimizer: Optimizer) -> list[Parameter]:
    """All parameters of an optimizer, group after group."""
    return [p for group in optimizer.param_groups for p in group['params']]


def load_moments(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Take running means and learning rates out of a saved state, which otherwise brings its options along.

    Args:
        optimizer: with the options of now, which stay.
        saved: ``state_dict()`` of one with the same parameters, before.

    Raises:
        ValueError: it is of other parameters, or lacks what the optimizer needs, since it is of another kind.
    """
    needed = _needed_state(optimizer)
    for state in saved['state'].values():
        if lacking := sorted(needed - state.keys()):
            raise ValueError(
                f'it was saved with another optimizer or other options of it, and lacks {", ".join(lacking)}'
            )
    now = [{k: v for k, v in group.items() if k not in _OF_THE_RUN} for group in optimizer.param_groups]
    groups = saved['param_groups']
    if len(groups) == len(now):  # else torch says so
        groups = [{**group, **options} for group, options in zip(groups, now, strict=True)]
    optimizer.load_state_dict({**saved, 'param_groups': groups})


def _needed_state(optimizer: Optimizer) -> set[str]:
    """What it keeps of each parameter, as seen on one of its own kind that has taken a step."""
    if not type(optimizer).__module__.startswith('torch.optim.'):
        return set()  # its step may want to be called in another way
    trial = copy.copy(optimizer)
    p = Parameter(torch.zeros(1))
    p.grad = torch.zeros(1)
    group = {**optimizer.param_groups[0], 'params': [p], 'lr': 0.0, 'capturable': False}
    trial.param_groups, trial.state = [group], defaultdict(dict)
    type(optimizer).step(trial)
    return set(trial.state[p])


def align_states(optimizer: Optimizer) -> None:
    """Lay running means out in memory as their parameters are, after a state has been loaded.

    A state that was saved in another memory format comes back in that. Fused optimizers go through the memory
    of parameters and means side by side, and would pair each number with a wrong one, without an error.
    """
    for p in parameters_of(optimizer):
        for name, value in optimizer.state.get(p, {}).items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.stride() != p.stride():
                optimizer.state[p][name] = torch.empty_like(p.detach(), dtype=value.dtype).copy_(value)
