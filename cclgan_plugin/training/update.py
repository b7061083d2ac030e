"""A step of optimizers on the mean of losses, over the processes too, and never on what is no number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cclgan_plugin.training.finite_guard import GRADIENT, FiniteGuard, largest_gradient
from cclgan_plugin.training.gradient_exchange import GradientExchange
from cclgan_plugin.training.optimizer_parameters import parameters_of
from cclgan_plugin.training.precision import Precision


@dataclass
class Differentiated:
    """Losses by their names, and the gradient of each parameter of an update, in its order."""

    losses: dict[str, Tensor]
    gradients: list[Tensor | None]


class Update:
    """What happens between losses and changed weights, for networks that are stepped together.

    Args:
        name: of the update, for its gradient scaler.
        optimizers: that step together, each of its own parameters.
        precision: scales the losses and steps the optimizers.
        guard: says whether losses and gradients are finite numbers.
        parts: number of equal parts of the batch; their gradients are averaged.
        grad_clip: the Euclidean length at most of each optimizer's gradient; 0 = any.
    """

    def __init__(
        self,
        name: str,
        optimizers: Sequence[torch.optim.Optimizer],
        precision: Precision,
        guard: FiniteGuard,
        parts: int = 1,
        grad_clip: float = 0.0,
    ) -> None:
        self.name = name
        self.optimizers = optimizers
        self.precision = precision
        self.guard = guard
        self.parts = parts
        self.grad_clip = grad_clip
        self._parameters = [p for optimizer in optimizers for p in parameters_of(optimizer)]
        self._exchange = GradientExchange(self._parameters)

    def differentiate(self, parts: Iterable[dict[str, Tensor]]) -> Differentiated:
        """The first half of a step, which changes nothing: losses and gradients, averaged over all.

        Args:
            parts: the losses of each part by their names, made one after the other: the graph of a part is
                gone before the next one is asked for.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        losses = self._backward(parts)
        return Differentiated(losses, [p.grad for p in self._parameters])

    def apply(self, found: Differentiated, iteration: int) -> tuple[dict[str, Tensor], bool]:
        """The second half: check, clip and step.

        Args:
            found: by :meth:`differentiate`.
            iteration: of the training, for messages.

        Returns:
            The losses, and whether they were finite (on a GPU always True, for now: see FiniteGuard).
        """
        losses = found.losses
        for p, gradient in zip(self._parameters, found.gradients, strict=True):
            p.grad = gradient
        checked = dict(losses)
        largest = self.precision.out_of_the_ordinary(largest_gradient(self._parameters), self.name)
        checked[GRADIENT] = largest.to(next(iter(losses.values())).dtype)
        good = self.guard.check(list(checked), torch.stack([*checked.values()]), iteration, self.optimizers)
        if good:
            self.precision.unscale(self.optimizers, self.name)
            if self.grad_clip > 0:
                for optimizer in self.optimizers:
                    torch.nn.utils.clip_grad_norm_(parameters_of(optimizer), self.grad_clip)
            fresh = [optimizer for optimizer in self.optimizers if not optimizer.state]
            self.precision.step(self.optimizers, self.name)
            if self.guard.found is not None:
                _forget(fresh, self.guard.found)
        return losses, good

    def _backward(self, parts: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The gradients, and the losses that they are of, both averaged."""
        names: list[str] = []
        seen: list[Tensor] = []
        for losses in parts:
            names, values = list(losses), torch.stack(list(losses.values())) / self.parts
            seen.append(values.detach())
            if len(seen) == self.parts:
                self._exchange.begin(torch.stack(seen).sum(0))
            self.precision.backward(values.sum(), self.name)
        return dict(zip(names, self._exchange.finish(), strict=True))


def _forget(optimizers: Iterable[torch.optim.Optimizer], skipped: Tensor) -> None:
    """Zero what a first step that was skipped has created: SGD leaves it as it finds the memory."""
    for optimizer in optimizers:
        for state in optimizer.state.values():
            for value in state.values():
                if isinstance(value, Tensor):
                    value.masked_fill_(skipped.to(value.device), 0)
