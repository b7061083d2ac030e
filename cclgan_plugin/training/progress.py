"""How far a training run has come: a line with the time left on a terminal, and whether it reached its
end.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.training.built_models import watch_built_models


class Progress:
    """Watches one run of ``train_pipeline``, with any BasicSR model.

    Attributes:
        iteration: the last one begun, or the one that was resumed from; None before there is a model.
        total_iter: iterations of the whole run; None before there is a model.
    """

    def __init__(self, show: bool) -> None:
        self.show = show
        self.iteration: int | None = None
        self.total_iter: int | None = None
        self._bar: tqdm[Any] | None = None
        self._cleanup = ExitStack()

    def watch(self, model: Any, opt: dict[str, Any]) -> None:
        """Follow ``model`` from now on, through the two methods that the pipeline calls as it advances."""
        self.iteration, self.total_iter = 0, int(opt['train']['total_iter'])
        resume, optimize = model.resume_training, model.optimize_parameters

        def resume_training(resume_state: dict[str, Any]) -> None:
            resume(resume_state)
            self.iteration = int(resume_state['iter'])

        def optimize_parameters(current_iter: int) -> None:
            self._open_bar()
            optimize(current_iter)
            self.iteration = current_iter
            if self._bar is not None:
                self._bar.update(current_iter - self._bar.n)

        model.resume_training, model.optimize_parameters = resume_training, optimize_parameters

    def _open_bar(self) -> None:
        """Show the line, and let log messages pass above it; only now are the log's handlers in place."""
        if not self.show or self._bar is not None:
            return
        self._cleanup.enter_context(logging_redirect_tqdm([logging.getLogger('basicsr')]))
        self._bar = self._cleanup.enter_context(
            tqdm(total=self.total_iter, initial=self.iteration or 0, unit='it', **_size())
        )

    def close(self) -> None:
        """Leave the line as it stands and give the log its handlers back."""
        self._cleanup.close()

    def check_complete(self) -> None:
        """See that the run got to its end.

        Raises:
            TrainingError: the pipeline returned before ``total_iter``.
        """
        if self.iteration is None or self.total_iter is None:
            raise TrainingError('The training ended before there was a model.')
        if self.iteration < self.total_iter:
            raise TrainingError(f'The training ended at iteration {self.iteration} of {self.total_iter}.')


def _size() -> dict[str, Any]:
    """How tqdm is to learn the terminal's size; on one that calls itself 0 wide or high it shows nothing."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        columns = lines = 0
    return {'dynamic_ncols': True} if columns and lines else {'ncols': 80, 'nrows': 24}


def on_terminal() -> bool:
    """True where somebody watches: standard error is a terminal, and this is the first process of the run."""
    return sys.stderr.isatty() and os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0'


@contextmanager
def follow_training(show: bool | None = None) -> Iterator[Progress]:
    """Follow the models that ``basicsr.train`` builds inside this context.

    Args:
        show: draw the line; None asks :func:`on_terminal`.
    """
    progress = Progress(on_terminal() if show is None else show)
    with watch_built_models(progress.watch):
        try:
            yield progress
        finally:
            progress.close()
