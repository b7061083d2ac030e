"""Losses and gradients that are no numbers any more: noticed without waiting for a GPU, never stepped on."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from cclgan_plugin.errors import TrainingError

#: The name of the largest gradient among the losses that are checked.
GRADIENT = 'the gradient'


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


def largest_gradient(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The largest absolute entry of all gradients, a scalar.

    Unlike a Euclidean norm it overflows only where an entry has.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients and gradients[0].device.type == 'cpu':
        # An eighth of the time there.
        extremes = [extreme for gradient in gradients for extreme in gradient.aminmax()]
        return torch.stack(extremes).abs().max()
    return torch.stack(list(torch._foreach_norm(gradients, float('inf')))).max()


class _Reading:
    """Numbers on their way from a device to the host.

    A copy asked for later would wait in the device's queue behind all that was put there since, and the host
    with it. This one is asked for at once, and waited for by itself.

    Args:
        values: on any device.
    """

    def __init__(self, values: Tensor) -> None:
        on_gpu = values.device.type == 'cuda'
        self._host = torch.empty(values.shape, dtype=values.dtype, pin_memory=on_gpu)
        # Elsewhere, on Apple's GPUs for one, nothing would wait for the copy.
        self._host.copy_(values.detach(), non_blocking=on_gpu)
        self._arrived = torch.cuda.current_stream(values.device).record_event() if on_gpu else None

    def values(self) -> list[float]:
        """The numbers, once they have arrived."""
        if self._arrived is not None:
            self._arrived.synchronize()
        found: list[float] = self._host.tolist()
        return found


class FiniteGuard:
    """Checks the losses and gradients of every step, and counts the iterations that had to be skipped.

    On the CPU the check is immediate. On a GPU, reading a loss would make the host wait for the device in
    every step; there the optimizers are told on the device to skip a step whose losses are not finite
    (the ``found_inf`` input of fused optimizers), and the host looks at the losses some steps later.

    Args:
        limit: iterations that may be skipped in the whole run.
        deferred: for a GPU, as above; the optimizers must be fused ones.
        lag: checks that may be pending on a GPU; each iteration makes two.

    Attributes:
        skipped: how many were skipped so far.
        last: what was wrong in the last of them.
        found: if deferred, a bool scalar on the device: whether this iteration is to be skipped.
    """

    def __init__(self, limit: int = 0, deferred: bool = False, lag: int = 4) -> None:
        self.limit = limit
        self.deferred = deferred
        self.lag = lag
        self.skipped = 0
        self.last: NonFiniteLoss | None = None
        self.found: Tensor | None = None
        self._pending: deque[tuple[int, list[str], _Reading]] = deque()

    def begin(self) -> None:
        """A new iteration begins; nothing is wrong with it yet."""
        self.found = None

    def check(
        self,
        names: Sequence[str],
        values: Tensor,
        iteration: int,
        optimizers: Sequence[torch.optim.Optimizer],
    ) -> bool:
        """Look at what ``optimizers`` are about to step on, after the backward pass.

        Args:
            names: of the losses.
            values: ``(len(names),)``, the same on every process, so that all decide alike.
            iteration: of the training.
            optimizers: that would step.

        Returns:
            Whether to call their ``step``; if deferred always: they then decide for themselves.
        """
        self._pending.append((iteration, list(names), _Reading(values)))
        if self.deferred:
            found = (~torch.isfinite(values)).any()
            self.found = found if self.found is None else self.found | found
            for optimizer in optimizers:
                optimizer.found_inf = self.found.float()  # type: ignore[attr-defined]
            while len(self._pending) > self.lag:
                self._look()
            return True
        before = self.skipped
        self.flush()
        return self.skipped == before

    def flush(self) -> None:
        """Look at everything not yet looked at."""
        while self._pending:
            self._look()

    @property
    def exhausted(self) -> bool:
        """Whether more iterations were skipped than may be, one of them since the run has gone on."""
        return self.skipped > self.limit and self.last is not None

    def _look(self) -> None:
        iteration, names, reading = self._pending.popleft()
        for name, value in zip(names, reading.values(), strict=True):
            if not -float('inf') < value < float('inf'):
                if self.last is None or self.last.iteration != iteration:
                    self.skipped += 1
                    self.last = NonFiniteLoss(name, value, iteration)
                    logging.getLogger('basicsr').warning(
                        f'{self.last}; the iteration is skipped, {self.skipped} so far '
                        f'(nan_limit: {self.limit})'
                    )
                return
