"""Which iteration lies in which epoch, and how much of the epoch is used up by then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Dealing:
    """How an epoch's samples are dealt to the processes; training states hold it.

    Attributes:
        processes: that train together.
        batch: samples that one process takes in one iteration.
        samples: of an epoch, over all processes.
        taken: of the epoch under way, over all processes.
    """

    processes: int
    batch: int
    samples: int
    taken: int = 0

    def differences(self, other: Dealing) -> list[str]:
        """What is not the same in another run, in words."""
        named = {'processes': 'process(es)', 'batch': 'images a batch', 'samples': 'samples an epoch'}
        return [
            f'{getattr(self, name)} {words} then, {getattr(other, name)} now'
            for name, words in named.items()
            if getattr(self, name) != getattr(other, name)
        ]


@dataclass(frozen=True)
class EpochPlan:
    """The epochs of a run, from where it starts or goes on.

    Attributes:
        dealing: of this run; ``taken`` is what the first epoch has lost already.
        start_epoch: in which the run starts or goes on.
        start_iter: iterations done before.
        images: those that are dealt out, as training states keep them; empty if the dataset does not tell.
    """

    dealing: Dealing
    start_epoch: int = 0
    start_iter: int = 0
    images: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def iters_per_epoch(self) -> int:
        """Full batches of a whole epoch."""
        return self.dealing.samples // self.dealing.processes // self.dealing.batch

    @property
    def first_epoch_ends(self) -> int:
        """The last iteration of the first epoch."""
        left = (self.dealing.samples - self.dealing.taken) // self.dealing.processes
        return self.start_iter + left // self.dealing.batch

    def epoch_of(self, iteration: int) -> int:
        """The epoch in which an iteration is done."""
        if iteration <= self.first_epoch_ends:
            return self.start_epoch
        return self.start_epoch + 1 + (iteration - self.first_epoch_ends - 1) // self.iters_per_epoch

    def dealing_after(self, iteration: int) -> Dealing:
        """The dealing as it stands when an iteration is done."""
        d, epoch = self.dealing, self.epoch_of(iteration)
        if epoch == self.start_epoch:
            done, before = iteration - self.start_iter, d.taken
        else:
            done = iteration - self.first_epoch_ends - (epoch - self.start_epoch - 1) * self.iters_per_epoch
            before = 0
        return Dealing(d.processes, d.batch, d.samples, before + done * d.batch * d.processes)


#: The plan of the run in this process; made with its loaders.
_current: list[EpochPlan] = []


def set_plan(plan: EpochPlan) -> None:
    """From now on this plan counts."""
    _current[:] = [plan]


def current_plan() -> EpochPlan | None:
    """The plan of the run, or None before there are loaders."""
    return _current[0] if _current else None


def epoch_of(iteration: int) -> int:
    """The epoch in which the current run does an iteration; 0 where there is no plan."""
    plan = current_plan()
    return plan.epoch_of(iteration) if plan else 0
