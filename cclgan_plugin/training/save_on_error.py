"""An error that ends a run between two iterations, in a validation say, loses none of what was learnt."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cclgan_plugin.training.built_models import watch_built_models
from cclgan_plugin.training.distributed import is_distributed, wait_for_all
from cclgan_plugin.training.epoch_plan import epoch_of
from cclgan_plugin.training.rng_state import rng_state, set_rng_state
from cclgan_plugin.training.stop_signals import Stopped
from cclgan_plugin.training.together import known_to_all


class _Progress:
    """What a model has learnt since it was last saved.

    Attributes:
        unsaved: the last iteration; 0 if it is saved, or was not finished.
    """

    def __init__(self) -> None:
        self.unsaved = 0
        self._model: Any = None
        self._states = ''
        self._generators: dict[str, Any] | None = None

    def watch(self, model: Any, opt: dict[str, Any]) -> None:
        """Follow the steps of ``model``, and what is saved of them."""
        optimize, save, schedule = model.optimize_parameters, model.save, model.update_learning_rate
        validate = model.validation

        def optimize_parameters(current_iter: int) -> None:
            optimize(current_iter)
            self.unsaved, self._generators = current_iter, None

        def validation(*args: Any, **kwargs: Any) -> None:
            if self._generators is None:
                self._generators = rng_state(model.device)
            validate(*args, **kwargs)

        def save_and_note(epoch: int, current_iter: int) -> None:
            # What cannot be saved now can hardly be saved when that has ended the run.
            self.unsaved = 0
            save(epoch, current_iter)

        def update_learning_rate(*args: Any, **kwargs: Any) -> None:
            # The schedulers go ahead of the weights: from here the next iteration has begun.
            self.unsaved = 0
            schedule(*args, **kwargs)

        model.optimize_parameters, model.save = optimize_parameters, save_and_note
        model.update_learning_rate, model.validation = update_learning_rate, validation
        self._model, self._states = model, opt['path'].get('training_states', '')

    def save(self, stopped: bool) -> None:
        """Write the state after the last iteration.

        Args:
            stopped: by a signal: then it counts if that fails, else the error that ends the run remains what
                is reported.
        """
        iteration, logger = self.unsaved, logging.getLogger('basicsr')
        if self._generators is not None:
            # The resumed run does the whole validation, which draws from them, again.
            set_rng_state(self._generators, self._model.device)
        try:
            self._model.save(epoch_of(iteration), iteration)
        except Exception as error:
            if stopped:
                raise
            logger.warning(
                f'An error ends the run after iteration {iteration}, whose state cannot be saved: {error}'
            )
        else:
            # Only the first process writes; the others must not leave it alone with that.
            wait_for_all()
            if not stopped:
                logger.warning(
                    f'An error ends the run after iteration {iteration}, whose state is saved in '
                    f'{self._states}. Once the cause is gone, go on with --auto_resume.'
                )


@contextmanager
def save_on_error() -> Iterator[None]:
    """Save the runs inside before an error ends them.

    Several processes do so where all know of it: a state is made by all of them together.
    """
    progress = _Progress()
    with watch_built_models(progress.watch):
        try:
            yield
        except Exception as error:
            if progress.unsaved and (known_to_all(error) or not is_distributed()):
                progress.save(isinstance(error, Stopped))
            raise
