"""Optimizers and schedulers that can be named in ``type:``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cclgan_plugin.options.schema.common import Options, Weight, Whole, option


class AdamOptions(Options):
    """``optim_g`` (generators), ``optim_d`` (discriminators), ``optim_h`` (heads).

    Adamax, AdamW, ASGD, NAdam, RAdam, RMSprop, Rprop and SGD can be named as well, with PyTorch's arguments.
    """

    type: Literal['Adam'] = option('Adam')
    lr: float = option('learning rate', 1e-3, gt=0)
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)] = option(
        'decay rates of the two running means', [0.9, 0.999]
    )
    eps: float = option('keeps the step finite', 1e-8, gt=0)
    weight_decay: Weight = option('L2 penalty', 0.0)
    amsgrad: bool = option('the AMSGrad variant', False)


class LinearDecayLROptions(Options):
    """``scheduler``: constant, then linearly down to zero. Counted in iterations."""

    type: Literal['LinearDecayLR'] = option('constant, then linearly to zero')
    decay_start: Whole = option('iterations at the full learning rate', ge=0)
    decay_end: Whole = option(
        'the iteration after which the learning rate is zero; at least total_iter', ge=1
    )
    iters_per_epoch: Whole = option('the learning rate changes every so many iterations', 1, ge=1)


class MultiStepLROptions(Options):
    """``scheduler``: the learning rate falls in steps."""

    type: Literal['MultiStepLR', 'MultiStepRestartLR'] = option('falls in steps')
    milestones: list[Whole] = option('iterations at which the learning rate falls')
    gamma: float = option('factor of each fall', 0.1, gt=0)
    restarts: list[Whole] = option('iterations at which it starts anew', [0])
    restart_weights: list[Weight] = option('factor of the initial rate at each restart', [1])


class CosineAnnealingRestartLROptions(Options):
    """``scheduler``: half a cosine in each period."""

    type: Literal['CosineAnnealingRestartLR'] = option('half a cosine in each period')
    periods: Annotated[list[Annotated[Whole, Field(ge=1)]], Field(min_length=1)] = option(
        'length of each period in iterations; together at least total_iter'
    )
    restart_weights: list[Weight] = option('factor of the initial rate in each period', [1])
    eta_min: Weight = option('the lowest learning rate', 0)
