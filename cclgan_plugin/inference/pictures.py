"""Many pictures through one network: reading, computing and writing at the same time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from cclgan_plugin.errors import DataError, UserError
from cclgan_plugin.inference.comparison import side_by_side
from cclgan_plugin.inference.derainer import Derainer
from cclgan_plugin.inference.jobs import Job
from cclgan_plugin.inference.measuring import Measurer
from cclgan_plugin.inference.picture_file import Picture, encode_picture, read_picture
from cclgan_plugin.inference.pixels import to_network
from cclgan_plugin.whole_file import write_whole

#: Pictures that are read ahead and that wait for being written; one of each where they are larger than this.
_AHEAD, _LARGE = 4, 4_000_000


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        job: the file.
        error: why there is no result, or None.
        skipped: the result was there already.
        values: what was measured, by name.
        lacking: why a result that is there could not be measured or shown beside its input, or None.
    """

    job: Job
    error: UserError | None = None
    skipped: bool = False
    values: dict[str, float] | None = None
    lacking: UserError | None = None


def derain_pictures(
    derainer: Derainer | None,
    jobs: Sequence[Job],
    overwrite: bool = False,
    batch: int = 1,
    compare: Mapping[str, str] | None = None,
    measurer: Measurer | None = None,
) -> Iterator[Outcome]:
    """Derain files one after the other; a bad one is reported and does not end the work.

    Args:
        derainer: with the network; None where all results are there already.
        jobs: image files.
        overwrite: replace results that are there; else they are skipped.
        batch: pictures of the same size, in a row, that go through the network together.
        compare: where to put pictures that show input and result side by side, by the names of the jobs;
            those of results that were there already are made where they are missing.
        measurer: measures each result, those that were there already too.

    Yields:
        One outcome for each job, roughly in their order.
    """
    with ThreadPoolExecutor(2, 'read') as readers, ThreadPoolExecutor(2, 'write') as writers:
        work = _Work(derainer, batch, compare or {}, measurer, readers, writers)
        try:
            yield from work.outcomes(jobs, overwrite)
        finally:
            # After an interruption nobody waits for what has not begun.
            readers.shutdown(wait=False, cancel_futures=True)
            writers.shutdown(wait=True, cancel_futures=True)


class _Work:
    def __init__(
        self,
        derainer: Derainer | None,
        batch: int,
        compare: Mapping[str, str],
        measurer: Measurer | None,
        readers: ThreadPoolExecutor,
        writers: ThreadPoolExecutor,
    ) -> None:
        self.derainer, self.batch, self.compare, self.measurer = derainer, batch, compare, measurer
        self.readers, self.writers = readers, writers
        self.reading: deque[tuple[Job, Future[Picture]]] = deque()
        self.writing: deque[Future[Outcome]] = deque()
        self.ahead = _AHEAD

    def outcomes(self, jobs: Sequence[Job], overwrite: bool) -> Iterator[Outcome]:
        waiting = deque(jobs)
        together: list[tuple[Job, Picture]] = []
        while waiting or self.reading:
            alone = False
            while waiting and len(self.reading) < self.ahead and not alone:
                alone = self._goes_alone(waiting[0])
                if alone and self.reading:
                    break
                if alone:
                    yield from self._compute(together)
                    together = []
                    yield from self._written(0)
                job = waiting.popleft()
                if self.derainer is None or (os.path.isfile(job.out) and not overwrite):
                    self.writing.append(self.writers.submit(self._skip, job))
                else:
                    self.reading.append((job, self.readers.submit(read_picture, job.source)))
            if self.reading:
                job, reading = self.reading.popleft()
                try:
                    picture = reading.result()
                except UserError as error:
                    yield Outcome(job, error)
                else:
                    self.ahead = _AHEAD if picture.pixels[..., 0].size < _LARGE else 1
                    if together and together[0][1].pixels.shape != picture.pixels.shape:
                        yield from self._compute(together)
                        together = []
                    together.append((job, picture))
                    if len(together) == self.batch:
                        yield from self._compute(together)
                        together = []
            yield from self._written(0 if alone else self.ahead)
        yield from self._compute(together)
        yield from self._written(0)

    def _goes_alone(self, job: Job) -> bool:
        """Whether nothing may be read or written meanwhile: a limit counts what is there when it begins."""
        if self.derainer is None or self.derainer.memory is None:
            return False
        if not os.path.isfile(job.source):
            # A look into a pipe would take away its beginning.
            return True
        try:
            with Image.open(job.source) as header:
                return header.width * header.height >= _LARGE
        except Exception:  # what is wrong with it will be said when it is read
            return False

    def _compute(self, together: list[tuple[Job, Picture]]) -> Iterator[Outcome]:
        if not together:
            return
        assert self.derainer is not None
        derained: list[np.ndarray] = []
        try:
            derained = _derained(self.derainer, [picture.pixels for _, picture in together])
        except UserError as error:
            if len(together) == 1:
                job = together[0][0]
                yield Outcome(job, type(error)(f'{job.source}: {error}'))
                return
        if not derained:
            # One bad picture, or a card without room for several, costs the others nothing. Here, since the
            # traceback of the error would keep what the card holds.
            for one in together:
                yield from self._compute([one])
            return
        for (job, picture), pixels in zip(together, derained, strict=True):
            self.writing.append(self.writers.submit(self._write, job, picture, pixels))

    def _write(self, job: Job, picture: Picture, pixels: np.ndarray) -> Outcome:
        try:
            data = encode_picture(pixels, picture, os.path.splitext(job.out)[1])
            write_whole(job.out, data)
        except UserError as error:
            message = str(error)
            return Outcome(job, error if job.out in message else type(error)(f'{job.source}: {message}'))
        except Exception as error:  # what a file holds beside its pixels fails the encoders in many ways
            message = f'{job.source}: cannot be written as {job.out}: {type(error).__name__}: {error}'
            return Outcome(job, DataError(message))
        outcome = Outcome(job)
        if job.name in self.compare:
            outcome = self._show(outcome, picture.pixels, pixels)
        return self._measure(outcome)

    def _skip(self, job: Job) -> Outcome:
        """What is still missing of a result that was there already."""
        outcome = Outcome(job, skipped=True)
        place = self.compare.get(job.name)
        if place is not None and not os.path.exists(place):
            try:
                before, after = read_picture(job.source).pixels, read_picture(job.out).pixels
            except UserError as error:
                outcome = replace(outcome, lacking=_named(error, job))
            else:
                outcome = self._show(outcome, before, after)
        return self._measure(outcome)

    def _show(self, outcome: Outcome, before: np.ndarray, after: np.ndarray) -> Outcome:
        try:
            write_whole(self.compare[outcome.job.name], side_by_side(before, after))
        except UserError as error:
            return replace(outcome, lacking=_named(error, outcome.job))
        return outcome

    def _measure(self, outcome: Outcome) -> Outcome:
        if self.measurer is None:
            return outcome
        try:
            return replace(outcome, values=self.measurer.measure(outcome.job.name, outcome.job.out))
        except UserError as error:
            return replace(outcome, lacking=error)

    def _written(self, left: int) -> Iterator[Outcome]:
        """Outcomes of pictures that are written, waiting until at most ``left`` are not."""
        while self.writing and (len(self.writing) > left or self.writing[0].done()):
            yield self.writing.popleft().result()


def _named(error: UserError, job: Job) -> UserError:
    return error if job.source in str(error) else type(error)(f'{job.source}: {error}')


def _derained(derainer: Derainer, pictures: list[np.ndarray]) -> list[np.ndarray]:
    if len(pictures) == 1:
        return [derainer.derain_pixels(pictures[0])]
    tensors, backs = zip(*(to_network(pixels) for pixels in pictures), strict=True)
    derained = derainer.derain(torch.cat(tensors))
    return [back(y[None]) for back, y in zip(backs, derained, strict=True)]
