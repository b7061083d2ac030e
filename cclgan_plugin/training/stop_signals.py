"""Stopping a run by a signal so that nothing is lost: the step is finished, the state saved, the exit code
says that the run can go on.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.training.built_models import watch_built_models
from cclgan_plugin.training.distributed import ending_together, is_distributed, wait_for_all, words_group
from cclgan_plugin.training.epoch_plan import epoch_of

#: Those that ask a run to stop: a scheduler's, the keyboard's, and the one for pre-emption.
NAMES = ('SIGTERM', 'SIGINT', 'SIGUSR1')

#: torchrun hands the keyboard's SIGINT on, although the terminal has sent it to everybody: seconds
#: within which a second one is taken for that.
FORWARDED = 2.0


class Stopped(TrainingError):
    """A signal has stopped the run, and its state is saved.

    The exit code is EX_TEMPFAIL of sysexits.h: do the same again later, with ``--auto_resume``.
    """

    exit_code = 75
    label = 'stopped'


class StopSignals:
    """Remembers a signal until the step is done, and lets all processes stop after the same iteration.

    Attributes:
        asked: the number of the first signal, 0 before there is one.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._asked_at = 0.0
        self._iteration = 0
        self._before: dict[int, Any] = {}
        self._flag = torch.zeros(1, dtype=torch.int64)
        self._work: Any = None

    def watch(self, model: Any, opt: dict[str, Any]) -> None:
        """Let ``model`` stop after any of its steps, and before any image of a validation; there saving is
        left to ``save_on_error``. Before the first step, signals do what they always do.
        """
        optimize = model.optimize_parameters
        test: Any = getattr(model, 'test', None)  # not every model has one

        def optimize_parameters(current_iter: int) -> None:
            self.install()
            optimize(current_iter)
            self._iteration = current_iter
            if number := self.agreed():
                self._stop(model, opt, current_iter, number)

        def test_unless_asked(*args: Any, **kwargs: Any) -> Any:
            # A validation can take longer than the sender waits. After the last iteration all is saved.
            can_save = ending_together.get() or not is_distributed()
            if self.asked and can_save and self._iteration < opt['train']['total_iter']:
                raise self._stopped(opt, self._iteration, self.asked)
            return test(*args, **kwargs)

        model.optimize_parameters = optimize_parameters
        if test is not None:
            model.test = test_unless_asked

    def install(self) -> None:
        """Take the signals over. Python allows that in the main thread only; elsewhere nothing changes."""
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        for name in NAMES:
            if hasattr(signal, name):
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._note)

    def restore(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        if self._work is not None:
            self._work.wait()

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.asked:
            self.asked, self._asked_at = number, now
            if number == signal.SIGINT and 'TORCHELASTIC_RUN_ID' not in os.environ:
                # Whatever the process waits for, the next one ends it: no Python code need run for that.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
        elif number == signal.SIGINT and now - self._asked_at > FORWARDED:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)

    def agreed(self) -> int:
        """After a step: the signal that stops the run on every process, or 0.

        The processes compare notes while the next step runs, so nobody waits for it; a signal therefore
        takes effect one step later than with a single process.
        """
        if not is_distributed():
            return self.asked
        if self._work is not None:
            self._work.wait()
            if number := int(self._flag):
                self._work = None
                return number
        self._flag.fill_(self.asked)
        self._work = dist.all_reduce(self._flag, dist.ReduceOp.MAX, group=words_group(), async_op=True)
        return 0

    def _stop(self, model: Any, opt: dict[str, Any], iteration: int, number: int) -> None:
        if iteration % opt['logger']['print_freq'] == 0:
            # The pipeline would have written these down now.
            model.get_current_log()
        model.save(epoch_of(iteration), iteration)
        # Only the first process writes; the others must not leave it alone with that.
        wait_for_all()
        raise self._stopped(opt, iteration, number)

    @staticmethod
    def _stopped(opt: dict[str, Any], iteration: int, number: int) -> Stopped:
        return Stopped(
            f'{signal.Signals(number).name} after iteration {iteration}; its state is saved in '
            f'{opt["path"]["training_states"]}. Go on with --auto_resume.'
        )


@contextmanager
def stop_on_signals() -> Iterator[StopSignals]:
    """Let the runs inside stop on a signal.

    Raises:
        Stopped: one did.
    """
    signals = StopSignals()
    with watch_built_models(signals.watch):
        try:
            yield signals
        except BaseException:
            # Another process may be gone, and with it the answer.
            signals._work = None
            raise
        finally:
            signals.restore()
