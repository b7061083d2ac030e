"""Running a network without leaving a trace in it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.func import functional_call


def run_untouched(net: nn.Module, x: Tensor) -> Any:
    """``net(x)`` in its present mode, with gradient to ``x`` and the weights, but on copies of its buffers.

    Running statistics of batch norm and the vectors of spectral norm stay as they were: whoever trains the
    network does not notice that somebody else has looked at its features.
    """
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    return functional_call(net, buffers, (x,)) if buffers else net(x)
