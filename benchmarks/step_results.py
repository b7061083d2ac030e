"""All that ``benchmarks/step.py`` finds out, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from benchmarks.agreement import Agreement
from benchmarks.counting import StepCounts
from benchmarks.modes import Mode
from benchmarks.step_recipes import Recipe
from benchmarks.throughput import Throughput
from benchmarks.timing import Spread, Times


@dataclass
class VariantResult:
    """Of one variant; what was not measured is ``None``.

    Attributes:
        floor: floating-point operations that its mathematics needs, by part.
        times: seconds by round.
        faster: how many times faster than the oracle, over the rounds.
        counts: exact counts; ``None`` for compiled variants.
        peak_bytes: the most memory that a process (on a card: its tensors) doing only this has held.
        idle_bytes: of it, what is held before the first step.
        agreement: how far it is from the oracle at the same weights, where both have the same losses.
    """

    recipe: Recipe
    floor: dict[str, int]
    times: Times | None = None
    faster: Spread | None = None
    counts: StepCounts | None = None
    peak_bytes: int | None = None
    idle_bytes: int | None = None
    agreement: Agreement | None = None

    @property
    def flops(self) -> int | None:
        """Floating-point operations of a step."""
        return self.counts.flops if self.counts else None

    @property
    def flops_over_floor(self) -> float | None:
        """1 = nothing wasted."""
        return self.counts.flops / sum(self.floor.values()) if self.counts else None

    @property
    def ops(self) -> int | None:
        """Non-view operations of a step."""
        return self.counts.ops.total() if self.counts else None

    @property
    def saved(self) -> int | None:
        """Bytes that the graphs hold at most."""
        return self.counts.saved if self.counts else None


@dataclass
class StepResults:
    """Of one run: ``variants`` by name, the first is the oracle, the second ours in plain float32."""

    machine: dict[str, str]
    variants: dict[str, VariantResult]
    throughput: list[Throughput] = field(default_factory=list)

    @property
    def oracle(self) -> VariantResult:
        return self.variants['oracle']

    @property
    def ours(self) -> VariantResult:
        return self.variants['ours']

    def as_json(self) -> dict[str, Any]:
        """Numbers, words, lists and mappings only, with the totals of each variant beside its parts."""
        found: dict[str, Any] = _plain(self)
        for name, v in self.variants.items():
            found['variants'][name] |= {'flops': v.flops, 'ops': v.ops, 'saved': v.saved}
        return found


def _plain(value: Any) -> Any:
    # dataclasses.asdict would rebuild each Counter as a count of its (key, value) pairs.
    if isinstance(value, Mode):
        return str(value)
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value
