"""The results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean

from benchmarks.comparison.plan_files import (
    Method,
    Protocol,
    Scale,
    TestSet,
    read_methods,
    read_protocol,
    read_scale,
)
from benchmarks.comparison.results import Result
from benchmarks.tables import table

#: Figures of the first test only: name and head.
_CONTENT = (('rain_left', 'rain left'), ('content_lost', 'content lost'))


def pages(results: Sequence[Result]) -> str:
    """Every protocol and scale that has results, as sections."""
    methods = read_methods()
    found = []
    for name in dict.fromkeys(result.protocol for result in results):
        protocol = read_protocol(name)
        mine = [result for result in results if result.protocol == name]
        for scale in dict.fromkeys(result.scale for result in mine):
            rows = [result for result in mine if result.scale == scale]
            if scale == 'zoo':
                found.append(zoo_section(protocol, rows))
            else:
                found.append(section(protocol, read_scale(scale), rows, methods))
    return '\n\n'.join(found)


def section(protocol: Protocol, scale: Scale, results: Sequence[Result], methods: dict[str, Method]) -> str:
    """One protocol at one scale: what it is, the table, and the command."""
    names = [name for name in methods if any(result.method == name for result in results)]
    head = ['method', 'seeds', *_heads(protocol), 'minutes', 'GB']
    rows = []
    for name in names:
        runs = [result for result in results if result.method == name]
        cost = [f'{mean(r.seconds for r in runs) / 60:.0f}', f'{max(r.peak_memory for r in runs) / 1e9:.1f}']
        trained = methods[name].base is not None
        rows.append(
            [
                methods[name].title,
                str(len(runs)) if trained else '',
                *_figures(protocol, runs),
                *(cost if trained else ['', '']),
            ]
        )
    notes = [f'{methods[n].title}: {methods[n].note}' for n in names if methods[n].note]
    trained_runs = [r for r in results if methods[r.method].base is not None]
    seeds = sorted({run.seed for run in trained_runs})
    command = ' '.join(
        [
            f'python benchmarks/methods.py {protocol.name} --scale {scale.name}',
            *([f'--methods {",".join(names)}'] if len(names) < len(methods) else []),
            *([f'--seeds {",".join(map(str, seeds))}'] if seeds != [0] else []),
            '--results again.jsonl',
        ]
    )
    return '\n\n'.join(
        [
            f'### {protocol.title}; {scale.title}',
            _sentence(protocol.note, scale.note, f'{scale.iterations:,} steps'),
            table(head, rows),
            _sentence(*notes),
            f'{_machines(trained_runs)} Again: `{command}`, and for one row `--methods NAME`.',
        ]
    )


def zoo_section(protocol: Protocol, results: Sequence[Result]) -> str:
    """Published weights on the tests of a protocol."""
    titles = {'input': 'the input itself'}
    rows = [[titles.get(r.method, f'`{r.method}`'), *_figures(protocol, [r])] for r in results]
    command = f'python benchmarks/methods.py {protocol.name} --zoo NAME'
    path = 'weights that are not in the package by their path, as `--zoo weights/derain-large.safetensors`'
    parts = [f'### {protocol.title}', _sentence(protocol.note), table(['weights', *_heads(protocol)], rows)]
    return '\n\n'.join([*parts, f'{_machines(results)} Again: `{command}`; {path}.'])


def _heads(protocol: Protocol) -> list[str]:
    heads = []
    for i, test in enumerate(protocol.tests):
        if test.clean is not None:
            heads.append(f'{test.name}: PSNR / SSIM')
            if i == 0:
                heads += [title for _, title in _CONTENT]
        if test.niqe:
            heads.append(f'{test.name}: NIQE')
    return heads


def _figures(protocol: Protocol, runs: Sequence[Result]) -> list[str]:
    cells = []
    for i, test in enumerate(protocol.tests):
        if test.clean is not None:
            cells.append(f'{_figure(runs, test, "psnr", 2)} / {_figure(runs, test, "ssim", 4)}')
            if i == 0:
                cells += [_figure(runs, test, name, 2) for name, _ in _CONTENT]
        if test.niqe:
            cells.append(_figure(runs, test, 'niqe', 2))
    return cells


def _figure(runs: Sequence[Result], test: TestSet, name: str, digits: int) -> str:
    """The mean over the seeds, with half the distance between the extremes where there are several."""
    values = [run.means[test.name][name] for run in runs if name in run.means.get(test.name, {})]
    if not values:
        return '-'
    spread = f' ± {(max(values) - min(values)) / 2:.{digits}f}' if len(values) > 1 else ''
    return f'{mean(values):.{digits}f}{spread}'


def _machines(results: Iterable[Result]) -> str:
    told = dict.fromkeys(
        f'{m.get("card", m["cpu"])}, {m["threads"]} thread(s), PyTorch {m["torch"]}'
        for m in (r.machine for r in results)
    )
    commits = dict.fromkeys(r.machine['commit'] for r in results)
    return f'Measured on {"; ".join(told)}; commit {", ".join(commits)}.' if told else ''


def _sentence(*parts: str) -> str:
    text = '; '.join(part for part in parts if part)
    return text[:1].upper() + text[1:] + '.' if text else ''
