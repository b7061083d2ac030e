"""The results as a picture: what each method gains over the rainy input."""

from __future__ import annotations

import io
from collections.abc import Sequence
from statistics import mean

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.comparison.plan_files import read_methods, read_protocol
from benchmarks.comparison.results import Result

_OURS, _PEER, _CEILING = '#2f6f9f', '#c7a252', '#8c8c8c'


def chart(results: Sequence[Result]) -> bytes:
    """A PNG: a panel for each protocol and scale with a truth, a bar for each method, a dot for each seed."""
    runs = [r for r in results if r.scale != 'zoo' and read_protocol(r.protocol).tests[0].clean is not None]
    panels = list(dict.fromkeys((r.protocol, r.scale) for r in runs))
    methods = read_methods()
    groups = []
    for panel in panels:
        mine = [r for r in runs if (r.protocol, r.scale) == panel]
        groups.append(
            (panel, [n for n in methods if n != 'input' and any(r.method == n for r in mine)], mine)
        )
    heights = [0.8 + 0.28 * len(names) for _, names, _ in groups]
    figure = Figure(figsize=(8, sum(heights) + 0.3), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(1, len(groups)), 1, height_ratios=heights or [1], squeeze=False)[:, 0]
    for ax, ((protocol, scale), names, mine) in zip(axes, groups, strict=False):
        test = read_protocol(protocol).tests[0].name
        values = {n: [r.means[test]['psnr'] for r in mine if r.method == n] for n in names}
        base = [r.means[test]['psnr'] for r in mine if r.method == 'input']
        start = base[0] if base else min(v for vs in values.values() for v in vs)
        for i, name in enumerate(names):
            colour = _CEILING if methods[name].pairs else _OURS if name.startswith('cclgan') else _PEER
            ax.barh(i, mean(values[name]) - start, left=start, color=colour)
            ax.plot(values[name], [i] * len(values[name]), '.', color='black', markersize=4)
            ax.annotate(
                f' {mean(values[name]):.2f}', (max(start, mean(values[name])), i), va='center', fontsize=7
            )
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
    figure.savefig(buffer, format='png', dpi=120)
    return buffer.getvalue()
