"""Losses and gradients that are no numbers any more: noticed without waiting for a GPU, never stepped on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from cclgan_plugin.errors import TrainingError


class NonFiniteLoss(TrainingError):
    """A loss, or the gradient of finite losses, became NaN or infinite.

    Attributes:
        term: the name of the first such loss.
        value: nan, inf or -inf.
        iteration: at which it happened.
    """

    def __init__(self, term: str, value: float, iteration: int, saved: str = '') -> None:
        super().__init__(f'{term} is {value} at iteration {iteration}' + (f'; {saved}' if saved else ''))
        self.term, self.value, self.iteration = term, value, iteration


def finite_weights(nets: Iterable[nn.Module]) -> bool:
    """Whether every weight of every network is a finite number."""
    return all(bool(torch.isfinite(p).all()) for net in nets for p in net.parameters())


class FiniteGuard:
    """Checks the losses and gradients of every step.

    On the CPU the check is immediate. On a GPU, reading a loss would make the host wait for the device in
    every step; there the optimizers are told on the device to skip a step whose losses are not finite
    (the ``found_inf`` input of fused optimizers), and the host looks at the losses some steps later.

    Args:
        lag: steps that a GPU may run ahead of the check.
    """

    def __init__(self, lag: int = 4) -> None:
        self.lag = lag
        self._pending: deque[tuple[int, list[str], Tensor]] = deque()

    def check(
        self,
        losses: Mapping[str, Tensor],
        parameters: Sequence[nn.Parameter],
        iteration: int,
        optimizers: Sequence[torch.optim.Optimizer],
    ) -> None:
        """Look at what ``optimizers`` are about to step on, after the backward pass.

        Raises:
            NonFiniteLoss: a loss or gradient of this step, or, on a GPU, of an earlier one, is not finite.
        """
        # The largest entry: unlike a Euclidean norm it overflows only where an entry has.
        norms = torch._foreach_norm([p.grad for p in parameters if p.grad is not None], float('inf'))
        terms = {**losses, 'the gradient': torch.stack(list(norms)).max()}
        values = torch.stack([value.detach().float() for value in terms.values()])
        self._pending.append((iteration, list(terms), values))
        if values.is_cuda:
            found = (~torch.isfinite(values)).any().float()
            for optimizer in optimizers:
                optimizer.found_inf = found  # type: ignore[attr-defined]
            while len(self._pending) > self.lag:
                self._look()
        else:
            self.flush()

    def flush(self) -> None:
        """Look at everything not yet looked at; called before anything is saved.

        Raises:
            NonFiniteLoss: a loss is not finite.
        """
        while self._pending:
            self._look()

    def _look(self) -> None:
        iteration, names, values = self._pending.popleft()
        for name, value in zip(names, values.tolist(), strict=True):
            if not -float('inf') < value < float('inf'):
                self._pending.clear()
                raise NonFiniteLoss(name, value, iteration)
