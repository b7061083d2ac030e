"""The findings of ``benchmarks/step.py`` as a picture."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.step_results import StepResults
from benchmarks.timing import Spread

_COLOURS = {'oracle': '#8c8c8c', 'relative': '#c7a252', 'ours': '#2f6f9f'}


def chart(results: StepResults) -> bytes:
    """A PNG: one panel for each figure that was measured, one bar for each variant."""
    variants = {name: v for name, v in results.variants.items() if not v.recipe.without}
    panels: list[tuple[str, dict[str, Spread | None]]] = [
        ('seconds per step', {n: Spread.of(v.times.whole) if v.times else None for n, v in variants.items()}),
        ('GFLOP per step (mark: floor)', {n: _point(v.flops, 1e9) for n, v in variants.items()}),
        ('non-view operations', {n: _point(v.ops, 1) for n, v in variants.items()}),
        ('saved activations, GB', {n: _point(v.saved, 1e9) for n, v in variants.items()}),
        ('peak memory, GB', {n: _point(v.peak_bytes, 1e9) for n, v in variants.items()}),
        (
            'images per second',
            {f'{t.name}, batch {t.batch}': t.images_per_second for t in results.throughput},
        ),
    ]
    measured = [(title, {name: s for name, s in bars.items() if s}) for title, bars in panels]
    filled = [(title, bars) for title, bars in measured if bars]
    heights = [0.6 + 0.26 * len(bars) for _, bars in filled]
    figure = Figure(figsize=(8, sum(heights) + 0.4), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(filled), 1, height_ratios=heights, squeeze=False)[:, 0]
    for ax, (title, bars) in zip(axes, filled, strict=True):
        _bars(ax, title, bars)
        if title.startswith('GFLOP'):
            for i, name in enumerate(bars):
                floor = sum(variants[name].floor.values()) / 1e9
                ax.plot([floor, floor], [i - 0.4, i + 0.4], color='#b03030', linewidth=2)
    setting = results.ours.recipe.setting
    figure.suptitle(
        f'One training step, {setting.size}x{setting.size}, batch {setting.batch}, '
        f'{results.machine.get("card", results.machine["cpu"])}',
        fontsize=9,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=120)
    return buffer.getvalue()


def _point(value: float | None, scale: float) -> Spread | None:
    return None if value is None else Spread.of([value / scale])


def _bars(ax: Axes, title: str, bars: dict[str, Spread]) -> None:
    for i, (name, s) in enumerate(bars.items()):
        kind = 'oracle' if name.startswith('oracle') else 'relative' if ' as ' in name else 'ours'
        error = [[s.median - s.low], [s.high - s.median]] if s.high > s.low else None
        ax.barh(i, s.median, xerr=error, color=_COLOURS[kind], height=0.7)
        ax.annotate(
            f'{s.median:.3g}' if s.median < 1000 else f'{s.median:.0f}',
            (s.high, i),
            xytext=(3, 0),
            textcoords='offset points',
            va='center',
            fontsize=7,
        )
    ax.set_yticks(range(len(bars)), list(bars), fontsize=7)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.tick_params(axis='x', labelsize=7)
    ax.set_title(title, fontsize=8, loc='left')
    ax.spines[['top', 'right']].set_visible(False)
