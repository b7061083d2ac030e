"""Resuming on a CPU asks for CUDA. ``--auto_resume`` looks below the current directory whatever the root
is, so the run silently starts anew and the old one is archived. A stray ``latest.state`` is a
ValueError, and a state cut short by a kill ends the run. A state resumes with whatever networks have its
number, and with another seed. A run that began with weights under another key looks for that key in its own.

In every release: ``load_resume_state``. May go when it reads ``path.training_states`` onto the CPU, passes
over what cannot be resumed, and sees that what it reads belongs together.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from basicsr import train
from basicsr.utils.dist_util import get_dist_info
from basicsr.utils.misc import check_resume, get_time_str, set_random_seed

from cclgan_plugin.checksum import sha256_of
from cclgan_plugin.errors import OptionError, TrainingError, UserError, WeightsError
from cclgan_plugin.mends import experiment_folders
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace
from cclgan_plugin.mends.trusted_load import load_data_only
from cclgan_plugin.options import resolved_file
from cclgan_plugin.partial_file import remove_left_overs
from cclgan_plugin.training.distributed import from_first
from cclgan_plugin.training.epoch_plan import Dealing
from cclgan_plugin.training.retention import numbered_states
from cclgan_plugin.training.run_lock import claim
from cclgan_plugin.training.state_networks import of_another_run
from cclgan_plugin.training.training_images import Images

__all__ = [
    'apply',
    'load_resume_state',
    'needed',
    'starting_at_end',
    'starting_dealing',
    'starting_images',
    'starting_networks',
    'starting_point',
]

#: (epoch, iteration) from which the run of this process goes on; the loaders' arithmetic wants to know.
starting_point: tuple[int, int] = (0, 0)
#: How the epoch was dealt out when it was interrupted; None if the state does not say.
starting_dealing: Dealing | None = None
#: The images that it trained on, by the option of their root; empty if the state does not say.
starting_images: Images = {}
#: The files of networks that were saved with it; empty if the state does not say.
starting_networks: frozenset[str] = frozenset()
#: Whether the run had ended there; its last validation came after its last state.
starting_at_end = False

STATE_KEYS = ('epoch', 'iter', 'optimizers', 'schedulers')


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """The training state to go on from, or None for a new run.

    With ``--auto_resume``: the latest state in ``path.training_states`` that is whole, as are the networks
    saved with it; each one passed over is named with the reason. Else ``path.resume_state``, if given.

    Args:
        opt: the options; ``path.resume_state`` and ``path.pretrain_network_*`` are set as BasicSR does.

    Raises:
        WeightsError: ``path.resume_state`` cannot be read, is no training state, or its networks are missing.
        TrainingError: there are states, and none of them can be resumed.
    """
    global starting_point, starting_dealing, starting_images, starting_networks, starting_at_end
    starting_point, starting_dealing, starting_images = (0, 0), None, {}
    starting_networks, starting_at_end = frozenset(), False
    path = _latest_for_all(opt) if opt.get('auto_resume') else opt['path'].get('resume_state')
    if not path:
        return None
    state = read_state(path)
    opt['path']['resume_state'] = str(path)
    _check_not_beyond(opt, state['iter'], path)

    check_resume(opt, state['iter'])
    _name_keys(opt)
    _check_networks(opt, state, path)
    _keep_seed(opt, state)
    experiment_folders.check_before(opt)
    best_given_up = False
    if get_dist_info()[0] == 0:
        if not opt.get('auto_resume'):  # which has named those that it passes over
            best_given_up = _set_aside_newer(opt, state['iter'])
        remove_left_overs(opt['path'][folder] for folder in ('models', 'training_states'))
    if from_first(best_given_up):
        state.pop('best_metric_results', None)
    starting_point = (state['epoch'], state['iter'])
    starting_at_end = state.get('total_iter') == state['iter']
    starting_dealing = _read_dealing(state)
    starting_images = state.get('images') or {}
    starting_networks = frozenset(state.get('networks') or ())
    return state


def _check_not_beyond(opt: dict[str, Any], iteration: int, path: Path) -> None:
    total = opt['train']['total_iter']
    if iteration > total:
        raise OptionError(
            f'train.total_iter: {total:g}, but {path} is of iteration {iteration}, so nothing is left; '
            'raise it, or go back to an earlier state with path.resume_state'
        )


def _resumed_networks(opt: dict[str, Any]) -> list[str]:
    """The networks that are taken from the state's iteration, without ``network_``."""
    ignored = opt['path'].get('ignore_resume_networks') or []
    return [key.removeprefix('network_') for key in opt if key.startswith('network_') and key not in ignored]


def _name_keys(opt: dict[str, Any]) -> None:
    """Networks that a run has saved hold ``params``, whatever the file held that it began with."""
    for name in _resumed_networks(opt):
        if f'param_key_{name}' in opt['path']:
            opt['path'][f'param_key_{name}'] = 'params'


def _set_aside_newer(opt: dict[str, Any], iteration: int) -> bool:
    """Going back to an earlier state gives up the later ones; ``--auto_resume`` must not return to them.

    So it is with a best network that is of a later iteration: whether there was one.
    """
    folder = Path(opt['path']['training_states'])
    newer = [path for path in numbered_states(folder) if int(path.stem) > iteration]
    if newer:
        best = [*Path(opt['path']['models']).glob('net_g_best_*.pth')]
        given_up = best if best and _is_best_later(newer[-1], iteration) else []
        aside = folder / f'given_up_at_{iteration}_{get_time_str()}'
        aside.mkdir()
        for path in (*newer, *given_up):
            path.rename(aside / path.name)
        print(f'{len(newer)} later states are now in {aside}', flush=True)
        for path in given_up:
            print(f'and {path.name}, which was of one of them; what is measured next is the best', flush=True)
        return bool(given_up)
    return False


def _is_best_later(newest: Path, iteration: int) -> bool:
    """Whether a best value, as far as the newest state knows, came after an iteration."""
    try:
        measured = read_state(newest).get('best_metric_results', {})
        return any(best['iter'] > iteration for metrics in measured.values() for best in metrics.values())
    except (WeightsError, KeyError, TypeError, AttributeError):
        return True  # it cannot be told


def _keep_seed(opt: dict[str, Any], state: dict[str, Any]) -> None:
    """The seed of a run is that of its beginning; one drawn at random for this start would not be."""
    seed = state.get('manual_seed')
    if not isinstance(seed, int) or seed == opt.get('manual_seed'):
        return
    if get_dist_info()[0] == 0:
        print(f'manual_seed: {seed}, with which the run began, not {opt.get("manual_seed")}', flush=True)
    opt['manual_seed'] = seed
    resolved_file.correct('manual_seed', seed)
    for dataset in opt['datasets'].values():
        if 'manual_seed' in dataset:
            dataset['manual_seed'] = seed
    set_random_seed(seed + opt.get('rank', 0))


def _read_dealing(state: dict[str, Any]) -> Dealing | None:
    found = state.get('dealing')
    return Dealing(**{key: int(value) for key, value in found.items()}) if isinstance(found, dict) else None


def _latest_for_all(opt: dict[str, Any]) -> Path | None:
    """The state that the first process chooses, for every process; no other run saves one meanwhile."""
    chosen: Path | None = None
    error: UserError | None = None
    if get_dist_info()[0] == 0:
        try:
            claim(opt['path']['experiments_root'])
            chosen = _latest_state(opt)
        except UserError as caught:
            error = caught
    chosen, error = from_first((chosen, error))
    if error is not None:
        raise error
    return chosen


def read_state(path: str | Path) -> dict[str, Any]:
    """Read a ``.state`` file.

    Raises:
        WeightsError: it cannot be read or is something else.
    """
    state = load_data_only(path)
    if not isinstance(state, dict) or any(key not in state for key in STATE_KEYS):
        found = ', '.join(map(str, list(state)[:5])) if isinstance(state, dict) else type(state).__name__
        raise WeightsError(
            f'{path} is no training state: it should hold {", ".join(STATE_KEYS)}, and holds '
            f'{found or "nothing"}. Give path.resume_state a .state file of training_states/; weights to '
            'start from go to path.pretrain_network_g.'
        )
    return state


def _check_networks(opt: dict[str, Any], state: dict[str, Any], path: str | Path) -> None:
    """See that the networks saved with a state are there, and are those.

    A state of plain BasicSR does not name its networks; there one that the model never saved may be
    absent, and all may not.

    Raises:
        WeightsError: one of them is missing, cannot be read, or was saved at another time.
    """
    iteration = state['iter']
    folder = Path(opt['path']['models'])
    files = [folder / f'net_{name}_{iteration}.pth' for name in _resumed_networks(opt)]
    digests: dict[str, str] = state.get('networks') or {}
    if digests:
        saved = [file for file in files if file.name in digests]
        if files and not saved:
            raise WeightsError(
                f'{path} was saved without {files[0].name}; the options have another model now.'
            )
        if len(saved) < len(files):
            # The options may name one that this model has no use for. A model that has one will miss it.
            unsaved = ', '.join(file.name for file in files if file not in saved)
            logging.getLogger('basicsr').warning(f'{path} was saved without {unsaved}.')
        for file in saved:
            if not file.is_file():
                raise WeightsError(
                    f'{path} goes with {file}, and there is no such file.{of_another_run(opt, path)}'
                )
            if sha256_of(file) != digests[file.name]:
                raise WeightsError(
                    f'{path} and {file} do not belong together: one was saved without the other.'
                    f'{of_another_run(opt, path)}'
                )
        return
    present = [file for file in files if file.is_file()]
    if files and not present:
        raise WeightsError(
            f'{path} goes with the networks saved in the same iteration, such as {files[0]}, '
            f'and there are none.{of_another_run(opt, path)}'
        )
    for file in present:
        load_data_only(file)


def _latest_state(opt: dict[str, Any]) -> Path | None:
    folder = Path(opt['path']['training_states'])
    numbered = numbered_states(folder)
    passed_over = [
        f'{path.name}: in {folder}, but its name is no iteration'
        for path in sorted(folder.glob('*.state'))
        if path not in numbered
    ]
    latest = None
    for path in reversed(numbered):
        try:
            _check_networks(opt, read_state(path), path)
        except WeightsError as error:
            passed_over.append(f'{path.name}: {error}')
        else:
            latest = path
            break
    for reason in passed_over:
        logging.getLogger('basicsr').warning(f'--auto_resume passes over {reason}')
    if latest is not None:
        print(f'--auto_resume goes on from {latest}', flush=True)
    elif not numbered:
        print(f'--auto_resume: no training state in {folder}; the run begins anew', flush=True)
    if numbered and latest is None:
        raise TrainingError(
            f'--auto_resume: none of the {len(numbered)} training states in {folder} can be resumed (the '
            'reasons are above). Start again without --auto_resume; the old experiment is then archived.'
        )
    return latest


def apply() -> None:
    """Resume every BasicSR model this way."""
    replace(train.load_resume_state, load_resume_state)
