"""The factor by which a model of somebody else's scales its loss, in mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.errors import OptionError

#: Who has scaled, and the place in the graph where that was.
Scalings = list[tuple[torch.amp.GradScaler, Any]]


@contextmanager
def noting_scalings() -> Iterator[Scalings]:
    """Meanwhile, keep who scales which loss.

    A model may have its scaler anywhere (an attribute, a dictionary, an object of another package), and
    others for other networks; but every one of them scales by ``GradScaler.scale``.
    """
    noted: Scalings = []
    original: Any = torch.amp.GradScaler.scale

    def scale(self: torch.amp.GradScaler, outputs: Any) -> Any:
        losses = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        # The loss before it is scaled: autograd does not count the root of a backward pass among its nodes.
        noted.extend((self, loss.grad_fn) for loss in losses if getattr(loss, 'grad_fn', None) is not None)
        return original(self, outputs if isinstance(outputs, Tensor) else losses)

    torch.amp.GradScaler.scale = scale  # type: ignore[method-assign]
    try:
        yield noted
    finally:
        torch.amp.GradScaler.scale = original  # type: ignore[method-assign]
        noted.clear()


def loss_scale(scalings: Scalings, device: torch.device) -> Tensor:
    """The factor of the loss whose backward pass is under way, a scalar on ``device``; 1 without a scaler.

    Raises:
        OptionError: several scalers have scaled parts of that loss.
    """
    one = torch.ones((), device=device)
    present = {scaler for scaler, node in scalings if torch._C._will_engine_execute_node(node)}
    if len(present) > 1:
        raise OptionError(
            f'base_model_type: {len(present)} gradient scalers have scaled parts of one loss of the '
            'generator; the losses of train.contrastive_opt can follow one only'
        )
    return present.pop().scale(one) if present else one
