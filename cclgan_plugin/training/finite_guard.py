"""Losses that are not numbers any more: noticed without waiting for the GPU, and never stepped upon."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor

from cclgan_plugin.errors import TrainingError


class NonFiniteLoss(TrainingError):
    """A loss became NaN or infinite.

    Attributes:
        term: the name of the first such loss.
        value: nan, inf or -inf.
        iteration: at which it happened.
    """

    def __init__(self, term: str, value: float, iteration: int, saved: str = '') -> None:
        super().__init__(f'loss {term} is {value} at iteration {iteration}' + (f'; {saved}' if saved else ''))
        self.term, self.value, self.iteration = term, value, iteration


class FiniteGuard:
    """Checks the losses of every step.

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
        self, losses: Mapping[str, Tensor], iteration: int, optimizers: list[torch.optim.Optimizer]
    ) -> None:
        """Look at the losses that ``optimizers`` are about to step on.

        Raises:
            NonFiniteLoss: one of these losses, or, on a GPU, of an earlier step, is not finite.
        """
        values = torch.stack([loss.detach().float() for loss in losses.values()])
        self._pending.append((iteration, list(losses), values))
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
