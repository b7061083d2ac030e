"""Several training steps in a row with the optimizers of section 6, every loss and gradient written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .step import Encoder, Nets, Options, reference_d_losses, reference_g_losses

# which optimizer holds which nets
OWNERS = {'optim_g': ('g', 'g_rain'), 'optim_d': ('d', 'd_rain'), 'optim_h': ('h', 'h_rain')}


@dataclass
class Iteration:
    """What one iteration did.

    Attributes:
        losses: every loss by name, detached; those of the generators are absent where only D stepped.
        gradients: ``{net: {weight: gradient}}`` just before its optimizer's step; zeros where a weight is in
            no loss; nets that took no step are absent.
    """

    losses: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, dict[str, Tensor]] = field(default_factory=dict)


def _optimizers(nets: Nets, options: Options) -> dict[str, torch.optim.Adam]:
    optimizers = {}
    for name, owned in OWNERS.items():
        weights = [tensor for net in owned for tensor in nets.get(net, {}).values()]
        if weights:
            option = dict(options[name])
            if option.pop('type') != 'Adam':
                raise ValueError(f'the method trains with Adam, not with {options[name]}')
            option['betas'] = tuple(option.get('betas', (0.9, 0.999)))
            optimizers[name] = torch.optim.Adam(weights, **option, foreach=False)
    return optimizers


def _backward_and_step(
    nets: Nets,
    optimizers: Mapping[str, torch.optim.Adam],
    losses: Mapping[str, Tensor],
    names: Sequence[str],
    record: Iteration,
) -> None:
    """Gradients of the sum of ``losses`` for what the optimizers in ``names`` hold, and their steps."""
    for state in nets.values():
        for tensor in state.values():
            tensor.grad = None
    torch.stack(list(losses.values())).sum().backward()
    for name, loss in losses.items():
        record.losses[name] = loss.detach()
    for name in names:
        for net in OWNERS[name]:
            if net in nets:
                record.gradients[net] = {
                    key: torch.zeros_like(tensor) if tensor.grad is None else tensor.grad.clone()
                    for key, tensor in nets[net].items()
                }
        if name in optimizers:
            optimizers[name].step()


def reference_training(
    nets: Nets,
    options: Options,
    batches: Sequence[Mapping[str, Any]],
    encoders: Sequence[Encoder] = (),
    projections: Mapping[str, Tensor] | None = None,
) -> tuple[list[Iteration], dict[str, dict[str, Tensor]]]:
    """Train copies of ``nets``: one iteration, numbered from 1, for each batch.

    In every iteration the discriminators step on the fakes of the present generators, then the generators and
    heads against the discriminators just updated. As in BasicSR's SRGANModel the latter happens if the
    iteration is a multiple of ``net_d_iters`` and greater than ``net_d_init_iters``. No fakes are pooled and
    the learning rate stays as it is.

    Args:
        nets: starting states; they are left alone.
        options: as for the losses, with ``optim_g``, ``optim_d`` and ``optim_h``.
        batches: mappings with ``r``, ``c`` and ``locations`` (see ``reference_g_losses``).
        encoders: the semantic encoders of the intra term.
        projections: see ``reference_g_losses``.

    Returns:
        A record of each iteration, and the final states.
    """
    if options.get('pool_size', 0) != 0:
        raise ValueError('the reference has no image pool')
    nets = {
        net: {name: tensor.detach().clone().requires_grad_() for name, tensor in state.items()}
        for net, state in nets.items()
    }
    optimizers = _optimizers(nets, options)
    records = []
    for iteration, batch in enumerate(batches, start=1):
        record = Iteration()
        r, c = batch['r'], batch['c']
        d_losses = reference_d_losses(nets, options, r, c)
        if d_losses:
            _backward_and_step(nets, optimizers, d_losses, ['optim_d'], record)
        every, after = options.get('net_d_iters', 1), options.get('net_d_init_iters', 0)
        if iteration % every == 0 and iteration > after:
            g_losses = reference_g_losses(nets, options, r, c, batch.get('locations'), encoders, projections)
            _backward_and_step(nets, optimizers, g_losses, ['optim_g', 'optim_h'], record)
        records.append(record)
    return records, {net: {k: t.detach() for k, t in state.items()} for net, state in nets.items()}
