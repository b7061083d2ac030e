"""A training state of another model: ``AssertionError: Wrong lengths of optimizers``, or torch's own words. A
run that is resumed with longer periods or other milestones keeps the old ones, and may learn nothing more.
With other ``betas`` or ``weight_decay`` it keeps the old ones too; with another optimizer it fails later.
The best values that were measured are forgotten, and random numbers begin anew.

In every release: ``BaseModel.resume_training``. May go when it says which state does not fit, and how.
"""

from __future__ import annotations

from typing import Any

from basicsr.models import lr_scheduler
from basicsr.models.base_model import BaseModel
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
        WeightsError: the state was saved by a model with other optimizers or schedulers.
    """
    path = self.opt['path'].get('resume_state')
    for kind, own in (('optimizers', self.optimizers), ('schedulers', self.schedulers)):
        saved = resume_state[kind]
        if len(saved) != len(own):
            raise WeightsError(
                f'path.resume_state: {path} was saved with {len(saved)} {kind}; model_type '
                f'{self.opt.get("model_type")} has {len(own)} with these options.'
            )
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


def apply() -> None:
    """Resume every BasicSR model this way."""
    replace_method(BaseModel, 'resume_training', resume_training)
