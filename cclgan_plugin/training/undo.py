"""Taking an optimizer's step back, so that an iteration counts as a whole or not at all."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor
from torch.optim import Optimizer

from cclgan_plugin.training.optimizer_parameters import parameters_of


class Undo:
    """Remembers what an optimizer is about to change.

    The discriminators step before the generators' losses are known. Where one of those is no number, the
    iteration is skipped, and the discriminators must not keep their half of it.

    Args:
        optimizer: whose parameters and running means are remembered; takes that much memory again.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._saved: list[Tensor] = []
        self._fresh = True

    def _tensors(self) -> list[Tensor]:
        parameters = parameters_of(self.optimizer)
        states = [self.optimizer.state[p].values() for p in parameters if p in self.optimizer.state]
        return [
            *(p.detach() for p in parameters),
            *(value for value in chain(*states) if isinstance(value, Tensor)),
        ]

    def remember(self) -> None:
        """Before the step: keep a copy."""
        tensors = self._tensors()
        self._fresh = not self.optimizer.state
        if len(self._saved) == len(tensors):
            torch._foreach_copy_(self._saved, tensors)
        else:
            self._saved = [tensor.clone() for tensor in tensors]

    def restore(self, where: Tensor | None = None) -> None:
        """After the step: put the copy back.

        Args:
            where: a bool scalar on a GPU that says whether to, which the host then need not wait for.
        """
        tensors = self._tensors()
        # What the first step has created was nothing before, which is what zero means to it.
        saved = [*self._saved, *map(torch.zeros_like, tensors[len(self._saved) :])]
        with torch.no_grad():
            # Tensor by tensor: nothing chooses for all at once, and 0 times an infinite weight is no number.
            for tensor, before in zip(tensors, saved, strict=True):
                tensor.copy_(before if where is None else torch.where(where, before, tensor))
        if where is None and self._fresh:
            self.optimizer.state.clear()
