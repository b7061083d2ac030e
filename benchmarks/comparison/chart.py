"""The results as a picture: what each method gains over the rainy input."""

from __future__ import annotations

import io
from collections.abc import Sequence
from statistics import mean

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.comparison.plan_files import read_methods, read_protocol
from benchmarks.comparison.results import Result, first_figures

_OURS, _PEER, _CEILING = '#2f6f9f', '#c7a252', '#8c8c8c'


def chart(results: Sequence[Result], about: dict[str, str]) -> bytes:
    """A PNG: a panel for each protocol and scale with a truth, a bar for each method, a dot for each seed.

    Args:
        results: what was measured.
        about: texts by keyword, written into the file.
    """
    methods = read_methods()
    groups = [
        (panel, [name for name in methods if name in found and name != 'input'], found)
        for panel, found in first_figures(results).items()
    ]
    heights = [0.8 + 0.28 * len(names) for _, names, _ in groups]
    figure = Figure(figsize=(8, sum(heights) + 0.3), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(1, len(groups)), 1, height_ratios=heights or [1], squeeze=False)[:, 0]
    for ax, ((protocol, scale), names, values) in zip(axes, groups, strict=False):
        test = read_protocol(protocol).tests[0].name
        start = min(values.get('input') or [v for vs in values.values() for v in vs])
        for i, name in enumerate(names):
            colour = _CEILING if methods[name].pairs else _OURS if name.startswith('cclgan') else _PEER
            ax.barh(i, mean(values[name]) - start, left=start, color=colour)
            ax.plot(values[name], [i] * len(values[name]), '.', color='black', markersize=4)
            # Behind the bar and the points of all seeds.
            ax.annotate(f' {mean(values[name]):.2f}', (max(start, *values[name]), i), va='center', fontsize=7)
        ax.axvline(start, color='black', linewidth=1)
        ax.set_yticks(range(len(names)), [methods[n].title for n in names], fontsize=7)
        ax.invert_yaxis()
        ax.margins(x=0.12)
        ax.set_title(
            f'{test}: PSNR (Y) in dB; line: rainy input ({start:.2f}); {protocol}, {scale}', fontsize=8
        )
        ax.tick_params(axis='x', labelsize=7)
        for side in ('top', 'right'):
            ax.spines[side].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=120, metadata=about)
    return buffer.getvalue()
