"""The findings of ``benchmarks/step.py`` as text: tables, and whether the goals are met."""

from __future__ import annotations

from benchmarks.modes import PLAIN
from benchmarks.observer import PARTS
from benchmarks.step_goals import goals
from benchmarks.step_results import StepResults
from benchmarks.tables import table
from benchmarks.throughput import Throughput
from benchmarks.timing import Spread

#: Kinds of operations and of graph nodes that the tables list, by weight.
LISTED = 12
_NOT_MEASURED = '-'


def report(results: StepResults) -> str:
    """All tables that there is something to fill with, as Markdown."""
    setting = results.ours.recipe.setting
    machine = ', '.join(f'{name} {value}' for name, value in results.machine.items())
    sections = [
        f'{setting.size}x{setting.size}, batch {setting.batch}, width {setting.width}, {setting.blocks} '
        f'blocks, semantic encoder {setting.encoder} (random weights), on the {setting.device}.\n{machine}.',
        _titled('Variants', _variants(results)),
        _titled('Goals', _goals(results)),
        _titled('Parts', _parts(results)),
        _titled('What each term adds', _terms(results)),
        _titled('Floor by part', _floor(results)),
        _titled('Most frequent operations', _ops(results)),
        _titled('What the graph of ours holds', _saved(results)),
        _titled('Throughput', _throughput(results.throughput)),
    ]
    return '\n\n'.join(section for section in sections if section)


def _titled(title: str, text: str) -> str:
    return f'### {title}\n\n{text}' if text else ''


def _number(value: float | None, form: str, scale: float = 1) -> str:
    if value is None:
        return _NOT_MEASURED
    text = format(value if scale == 1 else value / scale, form)
    return text.lstrip('-') if not text.strip('-0.') else text


def _spread(spread: Spread | None, form: str = '.2f') -> str:
    if spread is None:
        return _NOT_MEASURED
    return f'{spread.median:{form}} [{spread.low:{form}}, {spread.high:{form}}]'


def _variants(results: StepResults) -> str:
    rows = []
    for name, v in results.variants.items():
        if v.recipe.without:
            continue
        agreement = v.agreement
        rows.append(
            [
                name,
                _spread(Spread.of(v.times.whole) if v.times else None),
                _spread(v.faster),
                _number(v.flops, '.0f', 1e9),
                _number(sum(v.floor.values()), '.0f', 1e9),
                _number(v.flops_over_floor, '.4f'),
                _number(v.ops, 'd'),
                _number(v.saved, '.2f', 1e9),
                _number(v.peak_bytes, '.2f', 1e9),
                _number(v.idle_bytes, '.2f', 1e9),
                _number(agreement.losses if agreement else None, '.0e'),
                _number(agreement.worst_gradient if agreement else None, '.0e'),
            ]
        )
    header = [
        'step',
        'seconds',
        'times faster',
        'GFLOP',
        'floor',
        'GFLOP / floor',
        'operations',
        'saved GB',
        'peak GB',
        'idle GB',
        'loss error',
        'gradient error',
    ]
    return table(header, rows)


def _goals(results: StepResults) -> str:
    rows = [goal.row(goal.found) for goal in goals(results) if goal.found is not None]
    return table(['goal', 'bound', 'found', 'met'], rows) if rows else ''


def _parts(results: StepResults) -> str:
    rows = []
    for part in PARTS:
        row = [part]
        for v in (results.oracle, results.ours):
            counts = v.counts.parts.get(part) if v.counts else None
            row += [
                _number(v.times.parts.get(part) if v.times else None, '.2f'),
                _number(counts.flops if counts else None, '.1f', 1e9),
                _number(counts.ops.total() if counts else None, 'd'),
                _number(counts.saved if counts else None, '.2f', 1e9),
            ]
        rows.append(row)
    columns = ['seconds', 'GFLOP', 'operations', 'saved GB']
    return table(['part', *[f'{who} {c}' for who in ('oracle', 'ours') for c in columns]], rows)


def _terms(results: StepResults) -> str:
    """The whole step less the step without the term, its backward pass and its images included."""
    rows = []
    ours = results.ours
    for v in results.variants.values():
        if not v.recipe.without:
            continue
        seconds = None
        if v.times and ours.times:
            pairs = zip(ours.times.whole, v.times.whole, strict=True)
            seconds = Spread.of([whole - without for whole, without in pairs])
        row = [v.recipe.without, _spread(seconds)]
        for whole, without, form, scale in (
            (ours.flops, v.flops, '.1f', 1e9),
            (ours.ops, v.ops, 'd', 1),
            (ours.saved, v.saved, '.2f', 1e9),
        ):
            row.append(_number(None if whole is None or without is None else whole - without, form, scale))
        rows.append(row)
    return table(['term', 'seconds', 'GFLOP', 'operations', 'saved GB'], rows) if rows else ''


def _floor(results: StepResults) -> str:
    variants = {n: v for n, v in results.variants.items() if v.recipe.mode == PLAIN and not v.recipe.without}
    variants.pop('oracle')
    parts = dict.fromkeys(part for v in variants.values() for part in v.floor)
    rows = [[part, *[_number(v.floor.get(part), '.1f', 1e9) for v in variants.values()]] for part in parts]
    rows.append(['sum', *[_number(sum(v.floor.values()), '.1f', 1e9) for v in variants.values()]])
    return table(['GFLOP', *variants], rows)


def _ops(results: StepResults) -> str:
    ours, oracle = results.ours.counts, results.oracle.counts
    if not (ours and oracle):
        return ''
    rows = [[name, str(count), str(oracle.ops[name])] for name, count in ours.ops.most_common(LISTED)]
    return table(['operation', 'ours', 'oracle'], rows)


def _saved(results: StepResults) -> str:
    counts = results.ours.counts
    if not counts:
        return ''
    rows = [[kind, f'{size / 1e6:.0f}'] for kind, size in counts.saved_by_node.most_common(LISTED)]
    return table(['held by', 'MB'], rows)


def _throughput(found: list[Throughput]) -> str:
    rows = [
        [
            t.name,
            str(t.batch),
            _spread(t.images_per_second, '.2f') if t.images_per_second else 'out of memory',
            _number(t.peak_bytes, '.1f', 1e9),
            _number(t.share_of_peak, '.1%'),
        ]
        for t in found
    ]
    header = ['step', 'batch', 'images per second', 'peak GB', 'share of bf16 peak']
    return table(header, rows) if rows else ''
