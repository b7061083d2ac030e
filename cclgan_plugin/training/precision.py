"""In which precision networks and losses are computed, and how small gradients survive half precision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.errors import OptionError, did_you_mean

PRECISIONS = ('off', 'bf16', 'fp16')
_DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


class Precision:
    """The option ``amp``: autocast around forward passes, and for ``fp16`` a gradient scaler for each update.

    Weights, gradients, optimizers, soft-maxima, ratios and norms stay in float32 in every mode.

    Args:
        amp: ``'off'`` (float32), ``'bf16'`` (bfloat16, the range of float32 with 8 bits of mantissa) or
            ``'fp16'`` (float16, whose small range needs the gradients to be scaled).
        device: of the networks.

    Raises:
        OptionError: another word.
    """

    def __init__(self, amp: str, device: torch.device) -> None:
        if amp not in PRECISIONS:
            raise OptionError(
                f'train.amp: must be one of {", ".join(PRECISIONS)}, got "{amp}".'
                + did_you_mean(str(amp), PRECISIONS)
            )
        self.amp = amp
        self.device = device
        # Discriminators and generators overflow at different times: each update has a scale of its own.
        self._scalers: dict[str, torch.amp.GradScaler] = {}

    def autocast(self) -> torch.autocast:
        """The context of forward passes and losses; backward passes stay outside."""
        return torch.autocast(self.device.type, _DTYPES.get(self.amp), enabled=self.amp != 'off')

    @property
    def scales(self) -> bool:
        """Whether gradients are scaled, so that an infinite one now and then is nothing to worry about."""
        return self.amp == 'fp16'

    def scaler(self, update: str) -> torch.amp.GradScaler:
        """The gradient scaler of one update, by its name; without effect unless :attr:`scales`."""
        if update not in self._scalers:
            self._scalers[update] = torch.amp.GradScaler(self.device.type, enabled=self.scales)
        return self._scalers[update]

    def backward(self, loss: Tensor, update: str) -> None:
        """Gradients of a scalar, scaled where this precision does so."""
        self.scaler(update).scale(loss).backward()

    def out_of_the_ordinary(self, largest: Tensor, update: str) -> Tensor:
        """The largest gradient of an update, a scalar, for the guard to judge.

        Where gradients are scaled, one that overflows is nothing but the search for the scale, and becomes 0
        here; unless the scale has come down to 1, so that it would overflow without it as well.
        """
        if not self.scales:
            return largest
        scale = self.scaler(update).scale(torch.ones_like(largest))
        return torch.where(scale > 1, torch.zeros_like(largest), largest)

    def unscale(self, optimizers: Iterable[torch.optim.Optimizer], update: str) -> None:
        """Bring the gradients back to their true size, to be clipped for example."""
        if self.scales:
            for optimizer in optimizers:
                self.scaler(update).unscale_(optimizer)

    def step(self, optimizers: Iterable[torch.optim.Optimizer], update: str) -> None:
        """Step the optimizers; under ``fp16`` not those whose gradients overflowed, and halve the scale.

        One that has been told to skip this step (``found_inf``, see FiniteGuard) does so in every precision.
        """
        if not self.scales:
            for optimizer in optimizers:
                optimizer.step()
            return
        scaler = self.scaler(update)
        for optimizer in optimizers:
            with _skipping_for_both(optimizer):
                scaler.step(optimizer)
        scaler.update()
        # On a GPU a gradient that is no number at any scale gets here, too; from 0 no scale would grow again.
        scaler.update(scaler.scale(torch.ones((), device=self.device)).clamp(min=1))

    def state_dict(self) -> dict[str, Any]:
        """The scalers' states by update; empty unless :attr:`scales`."""
        return {name: scaler.state_dict() for name, scaler in self._scalers.items() if self.scales}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the scales of a saved state."""
        for name, scales in state.items():
            self.scaler(name).load_state_dict(scales)


@contextmanager
def _skipping_for_both(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """While a GradScaler steps, which would put its own ``found_inf`` in the place of what is there."""
    told: Tensor | None = getattr(optimizer, 'found_inf', None)
    if told is None:
        yield
        return

    def keep(optimizer: Any, args: Any, kwargs: Any) -> None:
        optimizer.found_inf = torch.maximum(optimizer.found_inf, told)

    hook = optimizer.register_step_pre_hook(keep)
    try:
        yield
    finally:
        hook.remove()
