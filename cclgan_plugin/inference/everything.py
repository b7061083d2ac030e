"""One call of ``basicsr derain``: pictures and videos, progress, measures, an account of it all."""

from __future__ import annotations

import math
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from cclgan_plugin.errors import DataError, OptionError, UserError
from cclgan_plugin.inference.comparison import places
from cclgan_plugin.inference.derainer import Derainer
from cclgan_plugin.inference.jobs import Job, plan
from cclgan_plugin.inference.measuring import (
    Measurer,
    check_table,
    figures_of,
    means,
    read_table,
    write_table,
)
from cclgan_plugin.inference.pictures import Outcome, derain_pictures
from cclgan_plugin.inference.video import derain_video
from cclgan_plugin.partial_file import remove_left_overs


@dataclass
class Done:
    """What was done.

    Attributes:
        out: where the results are.
        derained: files that were written.
        skipped: results that were there already.
        bad: files without a result, and subfolders that cannot be listed.
        lacking: files whose result could not be measured or shown beside its input.
        table: what was measured, by picture.
    """

    out: str
    derained: int = 0
    skipped: int = 0
    bad: int = 0
    lacking: int = 0
    table: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line, and one with the means."""
        parts = [f'{self.derained} derained']
        parts += [f'{self.skipped} there already (--overwrite derains them anew)'] if self.skipped else []
        parts += [f'{self.bad} left out'] if self.bad else []
        parts += [f'{self.lacking} not measured or compared'] if self.lacking else []
        line = f'{_one_line(self.out)}: {", ".join(parts)}'
        if self.table:
            line += f'\nmean of {len(self.table)}: {", ".join(_figures(self.table))} (metrics.csv)'
        return line


def derain_everything(
    inputs: Sequence[str],
    out: str,
    make_derainer: Callable[[], Derainer],
    overwrite: bool = False,
    compare: str | None = None,
    truth: str | None = None,
    niqe: bool = False,
    batch: int | None = None,
) -> Done:
    """Derain files, folders, patterns and videos.

    Args:
        inputs: see :func:`~cclgan_plugin.inference.jobs.plan`.
        out: a folder, or a file for one single file.
        make_derainer: called once it is clear that the inputs exist and something is left to do.
        overwrite: replace results that are there.
        compare: folder for side-by-side pictures; empty = ``compare`` in the output folder; None = none.
        truth: folder with the truth of the pictures, to measure PSNR and SSIM.
        niqe: measure NIQE.
        batch: pictures of the same size at once; None = 4 on a GPU, 1 on a CPU.

    Raises:
        DataError: an input does not exist, results would replace inputs, or somebody's own ``metrics.csv``.
        OptionError: ``batch`` is below 1.
        WeightsError: the network cannot be had.
    """
    if batch is not None and batch < 1:
        raise OptionError(f'--batch {batch}: expected at least 1')
    unlisted: list[DataError] = []
    jobs = plan(inputs, out, compare, unlisted.append)
    measurer = Measurer(truth, niqe) if truth is not None or niqe else None
    done = Done(out)
    folder = (
        out if os.path.isdir(out) or len(jobs) != 1 or jobs[0].out != out else os.path.dirname(out) or '.'
    )
    table = os.path.join(folder, 'metrics.csv')
    if measurer is not None and not overwrite:
        check_table(table)
    side_by_side = os.path.join(folder, 'compare') if compare == '' else compare
    pictures, videos = [j for j in jobs if not j.is_video], [j for j in jobs if j.is_video]
    if videos and (measurer is not None or side_by_side is not None):
        tqdm.write('videos are neither measured nor compared, pictures only', file=sys.stderr)
    shown = None if side_by_side is None else places(pictures, side_by_side)
    written = [job.out for job in jobs] + list((shown or {}).values())
    remove_left_overs({os.path.dirname(os.path.realpath(path)) for path in written})
    for error in unlisted:
        _leave_out(done, error)
    # A run that has nothing to do loads nothing.
    derainer = make_derainer() if any(overwrite or not os.path.isfile(job.out) for job in jobs) else None
    if batch is None:
        batch = 4 if derainer is not None and derainer.device.type == 'cuda' else 1
    # disable=None: a bar on a terminal only
    with tqdm(total=len(jobs), unit='file', disable=None) as bar:
        outcomes = derain_pictures(derainer, pictures, overwrite, batch, shown, measurer)
        for outcome in outcomes:
            bar.update()
            _count(done, outcome)
        for outcome in _videos(derainer, videos, overwrite):
            bar.update()
            _count(done, outcome)
    if done.table:
        # Of earlier runs into this folder, as long as there is the result that they measured.
        before = {n: row for n, row in read_table(table).items() if os.path.isfile(os.path.join(folder, n))}
        write_table(table, before | done.table)
    return done


def _figures(table: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Means in words, with how many pictures each is of where that is not all of them."""
    found = means(table)
    for name in figures_of(table):
        values = [row[name] for row in table.values() if name in row]
        notes = []
        if (finite := sum(map(math.isfinite, values))) < len(table):
            notes += [f'of {finite}']
        if equal := sum(map(math.isinf, values)):
            notes += [f'{equal} infinite: as the truth']
        yield f'{name} {found.get(name, values[0]):.4f}' + (f' ({"; ".join(notes)})' if notes else '')


def _videos(derainer: Derainer | None, jobs: Sequence[Job], overwrite: bool) -> Iterator[Outcome]:
    for job in jobs:
        if derainer is None or (os.path.isfile(job.out) and not overwrite):
            yield Outcome(job, skipped=True)
            continue
        with tqdm(desc=os.path.basename(job.source), unit='frame', disable=None, leave=False) as bar:

            def tell(count: int, total: int, bar: tqdm = bar) -> None:
                bar.total = total or None
                bar.update()

            try:
                derain_video(derainer, job.source, job.out, tell, _say)
            except UserError as error:
                message = str(error)
                named = job.source in message or job.out in message
                yield Outcome(job, error if named else type(error)(f'{job.source}: {message}'))
                continue
        yield Outcome(job)


def _say(line: str) -> None:
    tqdm.write(_one_line(line), file=sys.stderr)


def _leave_out(done: Done, error: UserError) -> None:
    done.bad += 1
    tqdm.write(f'left out: {_one_line(str(error))}', file=sys.stderr)


def _count(done: Done, outcome: Outcome) -> None:
    if outcome.error is not None:
        _leave_out(done, outcome.error)
    elif outcome.skipped:
        done.skipped += 1
    else:
        done.derained += 1
    if outcome.lacking is not None:
        done.lacking += 1
        tqdm.write(f'not measured or compared: {_one_line(str(outcome.lacking))}', file=sys.stderr)
    if outcome.values is not None:
        done.table[outcome.job.name] = outcome.values


def _one_line(text: str) -> str:
    """Names may hold line ends and other characters that terminals obey."""
    return ''.join(repr(c)[1:-1] if unicodedata.category(c) == 'Cc' else c for c in text)
