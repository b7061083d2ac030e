"""Wall time of variants side by side: rounds in which each steps once, so that all meet the same weather."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles

import torch
from tqdm import tqdm

from benchmarks.observer import Observer
from benchmarks.step_variants import StepVariant


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """At least one value; of a single one all three are that value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        return cls(*quantiles(values, n=4, method='inclusive'))


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


class _Stopwatch(Observer):
    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        synchronize(self._device)
        start = time.perf_counter()
        yield
        synchronize(self._device)
        self.seconds[name] = time.perf_counter() - start


@dataclass
class Times:
    """Seconds by round.

    Attributes:
        whole: of the step, not interrupted.
        parts: of each part, of one more step that waits for the device after each; or nothing.
    """

    whole: list[float]
    parts: dict[str, float]

    def ratios(self, reference: Times) -> list[float]:
        """How many times faster than ``reference``, round by round."""
        return [theirs / ours for theirs, ours in zip(reference.whole, self.whole, strict=True)]


def timed_steps(variant: StepVariant, steps: int) -> float:
    """Seconds of several steps in a row; the device is waited for at the end only."""
    synchronize(variant.device)
    start = time.perf_counter()
    for _ in range(steps):
        variant.step()
    synchronize(variant.device)
    return time.perf_counter() - start


def time_interleaved(
    variants: Mapping[str, StepVariant], rounds: int, in_parts: Collection[str]
) -> dict[str, Times]:
    """Time variants that have stepped before, in ``rounds`` rounds; those ``in_parts`` once more by part.

    The order turns around every round, so that a machine that grows slower or faster favours none.
    """
    whole: dict[str, list[float]] = {name: [] for name in variants}
    with tqdm(total=rounds * len(variants), desc='timing', unit='step', disable=None) as bar:
        for turn in range(rounds):
            for name in list(variants)[:: 1 if turn % 2 == 0 else -1]:
                whole[name].append(timed_steps(variants[name], 1))
                bar.update()
    return {name: Times(whole[name], _parts(variants[name]) if name in in_parts else {}) for name in variants}


def _parts(variant: StepVariant) -> dict[str, float]:
    stopwatch = _Stopwatch(variant.device)
    variant.step(stopwatch)
    return stopwatch.seconds
