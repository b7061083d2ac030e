"""A training state of another model: ``AssertionError: Wrong lengths of optimizers``, or torch's own words. A
run that is resumed with longer periods or other milestones keeps the old ones, and may learn nothing more.
With other ``betas`` or ``weight_decay`` it keeps the old ones too; with another optimizer it fails later, or
goes on with the means and the learning rate of the one before. Another ``lr`` is ignored without a word.
The best values that were measured are forgotten, and random numbers begin anew.

In every release: ``BaseModel.resume_training``. May go when it says which state does not fit, and how.
"""

from __future__ import annotations

from typing import Any

from basicsr.models import lr_scheduler
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info

from cclgan_plugin.errors import WeightsError
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method
from cclgan_plugin.training.optimizer_parameters import align_states, load_moments
from cclgan_plugin.training.rng_state import set_rng_state

#: What BasicSR's schedulers save of their options; where they stand is the rest.
SCHEDULE = ('milestones', 'gamma', 'restarts', 'restart_weights', 'periods', 'cumulative_period', 'eta_min')

__all__ = ['apply', 'needed', 'resume_training']


def resume_training(self: Any, resume_state: dict[str, Any]) -> None:
    """Put optimizers, schedulers, generators of random numbers and the best values back to where they were.

    With another number of processes than before (``path.resume_changed: allow``) the generators stay as they
    have been seeded.

    Raises:
        WeightsError: the state was saved by a model with other optimizers or schedulers, or optimizers of
            another kind.
    """
    path = self.opt['path'].get('resume_state')
    for kind, own in (('optimizers', self.optimizers), ('schedulers', self.schedulers)):
        saved = resume_state[kind]
        if len(saved) != len(own):
            raise WeightsError(
                f'path.resume_state: {path} was saved with {len(saved)} {kind}; model_type '
                f'{self.opt.get("model_type")} has {len(own)} with these options.'
            )
        if kind == 'optimizers':
            _check_kinds(self, resume_state)
            _tell_rates(self, saved)
        for number, (one, state) in enumerate(zip(own, saved, strict=True)):
            if kind == 'schedulers' and type(one).__module__ == lr_scheduler.__name__:
                # The options of the resumed run count.
                state = {key: value for key, value in state.items() if key not in SCHEDULE}
            try:
                if kind == 'optimizers':
                    load_moments(one, state)
                    align_states(one)
                else:
                    one.load_state_dict(state)
            except (ValueError, KeyError, RuntimeError) as error:
                raise WeightsError(
                    f'path.resume_state: {path} does not fit number {number} of the {kind} '
                    f'({type(one).__name__}): {error}'
                ) from error
    # States of plain BasicSR have neither.
    rank, world = get_dist_info()
    ranks = resume_state.get('ranks') or []
    if len(ranks) == world:
        set_rng_state(ranks[rank]['rng'], self.device)
    if resume_state.get('best_metric_results'):
        self.best_metric_results = resume_state['best_metric_results']


def _check_kinds(model: Any, resume_state: dict[str, Any]) -> None:
    """What one kind of optimizer has learnt of the gradients is nothing to another, even where it fits."""
    now = [type(optimizer).__name__ for optimizer in model.optimizers]
    then = resume_state.get('optimizer_types') or now  # older states, and BasicSR's, have no names
    changes = [
        f'optimizer {number} was {before}, is {after} now{_option_of(model, number)}'
        for number, (before, after) in enumerate(zip(then, now, strict=True))
        if before != after
    ]
    if changes:
        raise WeightsError(
            f'path.resume_state: {model.opt["path"].get("resume_state")}: {"; ".join(changes)}. Write it as '
            'it was, or begin a new run, of another name, from the weights of that one '
            '(path.pretrain_network_g and so on)'
        )


def _tell_rates(model: Any, saved: list[dict[str, Any]]) -> None:
    """The initial learning rates of the beginning stay; one in the options that is another is told so."""
    for number, (optimizer, state) in enumerate(zip(model.optimizers, saved, strict=True)):
        for own, group in zip(optimizer.param_groups, state['param_groups'], strict=False):
            now, then = own.get('initial_lr'), group.get('initial_lr')
            if now is not None and then is not None and float(now) != float(then):
                get_root_logger().warning(
                    f'optimizer {number}{_option_of(model, number)}: the run began with a learning rate of '
                    f'{float(then):g}, which still counts, not the {float(now):g} of the options'
                )
                break  # the other groups most often follow the same option


def _option_of(model: Any, number: int) -> str:
    """Where the options describe an optimizer, if its name in the model tells."""
    names = [name for name, value in vars(model).items() if value is model.optimizers[number]]
    options = [name.replace('optimizer_', 'optim_', 1) for name in names if name.startswith('optimizer_')]
    return f' (train.{options[0]})' if options and options[0] in model.opt['train'] else ''


def apply() -> None:
    """Resume every BasicSR model this way."""
    replace_method(BaseModel, 'resume_training', resume_training)
