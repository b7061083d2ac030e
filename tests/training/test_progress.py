"""The progress line: shown where somebody watches, out of the log's way, and honest about the end."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

import pytest
from basicsr import train

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.training import progress as module
from cclgan_plugin.training.progress import follow_training, on_terminal


class Model:
    """What the pipeline needs of a model to advance."""

    def __init__(self, opt: dict[str, Any]) -> None:
        self.done: list[int] = []

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        self.resumed = resume_state

    def optimize_parameters(self, current_iter: int) -> None:
        self.done.append(current_iter)
        logging.getLogger('basicsr').info(f'iteration {current_iter}')


@pytest.fixture
def opt(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(train, 'build_model', Model)
    return {'train': {'total_iter': 4}}


def advance(opt: dict[str, Any], iterations: range, resume_at: int | None = None) -> Model:
    model = train.build_model(opt)
    if resume_at is not None:
        model.resume_training({'iter': resume_at})
    for iteration in iterations:
        model.optimize_parameters(iteration)
    return model


def test_a_complete_run_is_complete(opt: dict[str, Any]) -> None:
    with follow_training(show=False) as progress:
        model = advance(opt, range(1, 5))
    assert model.done == [1, 2, 3, 4]
    assert (progress.iteration, progress.total_iter) == (4, 4)
    progress.check_complete()
    assert train.build_model is Model


@pytest.mark.parametrize(('iterations', 'resume_at', 'reached'), [(3, None, 2), (1, None, 0), (4, 2, 3)])
def test_a_run_that_ends_early_is_an_error(
    opt: dict[str, Any], iterations: int, resume_at: int | None, reached: int
) -> None:
    with follow_training(show=False) as progress:
        advance(opt, range((resume_at or 0) + 1, iterations), resume_at)
    with pytest.raises(TrainingError, match=f'ended at iteration {reached} of 4'):
        progress.check_complete()


def test_a_run_without_a_model_is_an_error(opt: dict[str, Any]) -> None:
    with follow_training(show=False) as progress:
        pass
    with pytest.raises(TrainingError, match='before there was a model'):
        progress.check_complete()


def test_resuming_a_finished_run_is_complete(opt: dict[str, Any]) -> None:
    with follow_training(show=False) as progress:
        assert advance(opt, range(0), resume_at=4).resumed == {'iter': 4}
    progress.check_complete()


def test_an_iteration_that_fails_does_not_count(opt: dict[str, Any]) -> None:
    with follow_training(show=False) as progress:
        model = train.build_model(opt)
        model.optimize_parameters(1)
        model.done = None
        with pytest.raises(AttributeError):
            model.optimize_parameters(2)
    assert progress.iteration == 1


def test_an_error_in_the_run_leaves_basicsr_as_it_was(opt: dict[str, Any]) -> None:
    def run() -> None:
        with follow_training(show=False):
            assert train.build_model is not Model
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert train.build_model is Model


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_the_line_and_the_log_above_it(
    opt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stderr', terminal)
    logger = logging.getLogger('basicsr')
    handler = logging.StreamHandler(terminal)
    handlers, level = logger.handlers, logger.level
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    try:
        with follow_training() as progress:
            advance(opt, range(3, 5), resume_at=2)
        assert logger.handlers == [handler]
    finally:
        logger.handlers = handlers
        logger.setLevel(level)
    assert progress.iteration == 4
    shown = terminal.getvalue()
    assert '4/4' in shown
    assert '50%' in shown
    # A log line begins where a line begins, not behind the bar.
    assert all(f'\niteration {number}\n' in shown.replace('\r', '\n') for number in (3, 4))


def test_nothing_is_shown_elsewhere(opt: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, 'stderr', stream)
    with follow_training():
        advance(opt, range(1, 5))
    assert stream.getvalue() == ''


def test_only_the_first_process_shows_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, 'stderr', Terminal())
    for name in ('RANK', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    assert on_terminal()
    monkeypatch.setenv('SLURM_PROCID', '1')
    assert not on_terminal()
    monkeypatch.setenv('RANK', '0')
    assert on_terminal()
