"""Running a network without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call


def run_untouched(net: nn.Module, x: Tensor, weights: Mapping[str, Tensor] | None = None) -> Any:
    """``net(x)`` in its present mode, with gradient to ``x`` and the weights, but on copies of its buffers.

    Running statistics of batch norm and the vectors of spectral norm stay as they were: whoever trains the
    network does not notice that somebody else has looked at its features.

    Args:
        net: any network of one argument.
        x: its input.
        weights: to be used in the place of its parameters of these names, see :func:`own_weights`.
    """
    state = {name: buffer.clone() for name, buffer in net.named_buffers()} | dict(weights or {})
    return functional_call(net, state, (x,)) if state else net(x)


def own_weights(net: nn.Module, trained: bool) -> dict[str, Tensor]:
    """The parameters of a network as tensors of one's own, in the same memory.

    A backward pass into these reaches no ``grad`` of the network's, and no hook of DistributedDataParallel.

    Args:
        net: any network.
        trained: those of them that the network trains ask for a gradient, as leaves; otherwise none does.
    """
    return {
        name: p.detach().requires_grad_(trained and p.requires_grad) for name, p in net.named_parameters()
    }
