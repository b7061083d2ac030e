"""The goals of the training step, and whether a run of ``benchmarks/step.py`` meets them."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.step_results import StepResults
from benchmarks.throughput import Throughput
from benchmarks.timing import Spread


@dataclass(frozen=True)
class Goal:
    """A figure and the bound that it should keep; ``found`` is ``None`` where it was not measured."""

    what: str
    found: float | None
    at_least: float | None = None
    at_most: float | None = None

    def row(self, found: float) -> list[str]:
        """Cells of a table: what, bound, found, met."""
        low, high = self.at_least, self.at_most
        met = (low is None or found >= low) and (high is None or found <= high)
        bound = f'at least {low:g}' if low is not None else f'at most {high:g}'
        return [self.what, bound, f'{found:.3f}', 'yes' if met else 'no']


def goals(results: StepResults) -> list[Goal]:
    """For the size that they are stated for, 256x256, batch 1, the paper's networks; otherwise none."""
    setting = results.ours.recipe.setting
    if (setting.size, setting.batch, setting.width, setting.blocks) != (256, 1, 64, 9):
        return []
    return _on_cpu(results) if setting.device == 'cpu' else _on_card(results.throughput)


def _on_cpu(results: StepResults) -> list[Goal]:
    oracle, ours = results.oracle, results.ours
    found = [Goal('wall time, oracle / ours', ours.faster.median if ours.faster else None, at_least=1.6)]
    found.append(Goal('FLOPs, ours / floor', ours.flops_over_floor, at_most=1.01))
    if oracle.saved and oracle.ops and ours.saved and ours.ops:
        found += [
            Goal('saved activations, oracle / ours', oracle.saved / ours.saved, at_least=1.7),
            Goal('non-view operations, ours / oracle', ours.ops / oracle.ops, at_most=0.4),
        ]
    plain = ours.times
    gains = [
        Spread.of(v.times.ratios(plain)).median
        for v in results.variants.values()
        if v.times and plain and v.recipe.mode.bf16
    ]
    return [*found, Goal('wall time, fp32 / fastest bf16 mode', max(gains, default=None), at_least=1.4)]


def _on_card(found: list[Throughput]) -> list[Goal]:
    def best(batch: int | None, oracle: bool) -> Throughput | None:
        """Of the oracle, or of ours in bf16."""
        speeds = {
            t.images_per_second.median: t
            for t in found
            if t.images_per_second
            and batch in (None, t.batch)
            and (t.name.startswith('oracle') if oracle else 'bf16' in t.name)
        }
        return speeds[max(speeds)] if speeds else None

    def speed(t: Throughput | None) -> float | None:
        return t.images_per_second.median if t and t.images_per_second else None

    one, most = best(1, oracle=False), best(None, oracle=False)
    ours, theirs = speed(one), speed(best(1, oracle=True))
    ratio = ours / theirs if ours and theirs else None
    return [
        Goal('images per second, ours bf16 / oracle TF32, batch 1', ratio, at_least=5),
        Goal('images per second, batch 1', ours, at_least=40),
        Goal('images per second, best batch', speed(most), at_least=80),
        Goal('share of bf16 peak, best batch', most.share_of_peak if most else None, at_least=0.25),
    ]
