"""What one step costs, exactly: floating-point operations, operations, saved activations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import (
    FlopCounterMode,
    flop_registry,
    register_flop_formula,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from benchmarks.observer import Observer
from benchmarks.op_count import OpCount
from benchmarks.saved_activations import SavedActivations
from benchmarks.step_variants import StepVariant


@dataclass
class PartCounts:
    """Of one part of a step. ``saved``: bytes that it keeps for later parts, or (negative) gives back."""

    flops: int = 0
    ops: Counter[str] = field(default_factory=Counter)
    saved: int = 0


@dataclass
class StepCounts:
    """Of a whole step, optimizers excluded.

    Attributes:
        parts: by part, in order.
        saved: the largest number of bytes that the graphs hold at one time.
        saved_by_node: those of the generators' graph, by the kind of node.
    """

    parts: dict[str, PartCounts] = field(default_factory=dict)
    saved: int = 0
    saved_by_node: Counter[str] = field(default_factory=Counter)

    @property
    def flops(self) -> int:
        """Of all parts."""
        return sum(part.flops for part in self.parts.values())

    @property
    def ops(self) -> Counter[str]:
        """Non-view operations of all parts, by name."""
        return sum((part.ops for part in self.parts.values()), Counter())


class _Counting(Observer):
    def __init__(self, variant: StepVariant) -> None:
        self.found = StepCounts()
        self._account = SavedActivations(variant.constants())

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        if name.endswith('optimizers'):
            yield
            return
        before = self._account.total
        flops = FlopCounterMode(display=False)
        # OpCount innermost: the FLOP counter may take an operation apart before it counts.
        with self._account.watch(), flops, OpCount() as ops:
            yield
        kept = self._account.total - before
        self.found.parts[name] = PartCounts(flops.get_total_flops(), ops.counts, kept)
        self.found.saved = self._account.peak

    def losses(self, name: str, losses: Mapping[str, Tensor]) -> None:
        if name == 'G':
            self.found.saved_by_node = self._account.by_node(losses.values())


def native_attention_flops(
    query: Any, key: Any, value: Any, width: int, heads: int, *args: Any, **kwargs: Any
) -> int:
    """Of the fused kernel that attention without gradient may run, its four matrix products included."""
    batch, tokens, _ = query
    per_head = (batch, heads, tokens, width // heads)
    return 2 * batch * tokens * width * 4 * width + sdpa_flop_count(per_head, per_head, per_head)


def cpu_attention_flops(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
    """Of the CPU's fused kernel for attention proper, forward."""
    return int(sdpa_flop_count(query, key, value))


def cpu_attention_backward_flops(
    gradient: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any
) -> int:
    """Of the same backward."""
    return int(sdpa_backward_flop_count(gradient, query, key, value))


# Which kernel attention runs is for PyTorch's version, the shapes and the processor to say; which of them its
# counter knows, for its version.
for _kernel, _formula in (
    ('_native_multi_head_attention', native_attention_flops),
    ('_scaled_dot_product_flash_attention_for_cpu', cpu_attention_flops),
    ('_scaled_dot_product_flash_attention_for_cpu_backward', cpu_attention_backward_flops),
):
    if getattr(torch.ops.aten, _kernel) not in flop_registry:
        register_flop_formula(getattr(torch.ops.aten, _kernel))(_formula)


def count_step(variant: StepVariant) -> tuple[StepCounts, dict[str, Tensor]]:
    """Run one step without learning; what it cost, and its losses.

    Inside compiled code nothing can be counted.
    """
    variant.build_encoders()
    observer = _Counting(variant)
    losses = variant.step(observer, learn=False)
    return observer.found, losses
