"""Independent pieces of work on streams of their own: small kernels of one run beside those of another."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar('Result')


class Lanes:
    """Runs jobs that do not need each other one after the other, or side by side on a card.

    The backward pass of a job runs on the stream of its forward pass, so that it is side by side, too. What a
    job reads must outlive the backward pass: memory is handed out anew as soon as nobody holds it, without
    regard to a stream that still reads it.

    Args:
        device: a card; ``None`` = one after the other.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device
        if device is not None:
            # Weights that two jobs use cannot match the streams of both; autograd waits where it must.
            warnings.filterwarnings('ignore', "The AccumulateGrad node's stream does not match")
        self._streams: list[torch.cuda.Stream] = []

    def run(self, *jobs: Callable[[], Result]) -> list[Result]:
        """The results of all jobs, once they are there; the first runs on the stream at hand."""
        if self.device is None:
            return [job() for job in jobs]
        while len(self._streams) < len(jobs) - 1:
            self._streams.append(torch.cuda.Stream(self.device))
        current = torch.cuda.current_stream(self.device)
        begun = current.record_event()
        results = [jobs[0]()]
        for stream, job in zip(self._streams, jobs[1:], strict=False):
            stream.wait_event(begun)
            with torch.cuda.stream(stream):
                results.append(job())
        for stream, _ in zip(self._streams, jobs[1:], strict=False):
            current.wait_stream(stream)
        return results
