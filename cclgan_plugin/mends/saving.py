"""A kill while saving leaves a checkpoint cut short; a full disk leaves empty ones, "Just ignore it",
exit code 0. The same weights saved under another name are other bytes. A state does not know which files it
goes with, so a kill between two of them leaves a mixed set that resumes; nor which values were the best, nor
where the generators of random numbers were.

In every release: ``save_network`` and ``save_training_state``. May go when they save atomically, fail loudly
and name what belongs together.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.utils.dist_util import get_dist_info, master_only
from torch import Tensor, nn

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method
from cclgan_plugin.training.atomic_save import atomic_torch_save
from cclgan_plugin.training.distributed import gather_objects
from cclgan_plugin.training.epoch_plan import current_plan
from cclgan_plugin.training.plain_values import plain_values
from cclgan_plugin.training.rng_state import rng_state
from cclgan_plugin.weight_names import bare_names

__all__ = ['apply', 'needed', 'plain_weights', 'save_network', 'save_training_state']


def plain_weights(net: nn.Module) -> OrderedDict[str, Tensor]:
    """The weights of a bare network on the CPU, without the prefix that wrappers give their names."""
    own = net.state_dict()
    weights = OrderedDict((key, tensor.detach().cpu()) for key, tensor in bare_names(own).items())
    # What load_state_dict needs to read weights of older layers.
    weights._metadata = getattr(own, '_metadata', None)  # type: ignore[attr-defined]
    return weights


@master_only
def save_network(
    self: Any,
    net: nn.Module | list[nn.Module],
    net_label: str,
    current_iter: int,
    param_key: str | list[str] = 'params',
) -> None:
    """Save one network, or several under their keys, as ``models/{net_label}_{current_iter}.pth``.

    Args:
        net: network(s), wrapped or bare.
        net_label: such as ``net_g``.
        current_iter: iteration, or -1 for ``latest``.
        param_key: key(s) in the file, one for each network.

    Raises:
        TrainingError: the file cannot be written.
    """
    nets = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    if len(nets) != len(keys):
        raise ValueError(f'save_network: {len(nets)} networks, {len(keys)} keys')
    content = {key: plain_weights(self.get_bare_model(one)) for key, one in zip(keys, nets, strict=True)}
    name = f'{net_label}_{"latest" if current_iter == -1 else current_iter}.pth'
    digest = atomic_torch_save(content, Path(self.opt['path']['models']) / name)
    saved = vars(self).setdefault('_saved_networks', {})
    if current_iter not in saved:
        saved.clear()
    saved.setdefault(current_iter, {})[name] = digest


def save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    """Save optimizers and schedulers as ``training_states/{current_iter}.state``.

    The state also names the kinds of the optimizers, the network files that were saved with it, by SHA-256,
    the seed, how the epoch was dealt out and of which images, the generators of random numbers of every
    process, where the run is to end, and the best values that were measured. All processes call this
    together, as BasicSR's pipeline lets them; the first one writes.

    A model may have more to resume than BasicSR knows of: ``extra_rank_state()`` gives what is different on
    every process, for the entry ``ranks``, and ``extra_training_state()`` further entries.

    Args:
        epoch: current epoch.
        current_iter: iteration; -1 (the end of training) saves nothing, since nothing is left to resume.

    Raises:
        TrainingError: the file cannot be written.
    """
    if current_iter == -1:
        return
    own = getattr(self, 'extra_rank_state', dict)() | {'rng': rng_state(self.device)}
    ranks = gather_objects(own)
    if get_dist_info()[0] != 0:
        return
    state = {
        'epoch': epoch,
        'iter': current_iter,
        'optimizers': [optimizer.state_dict() for optimizer in self.optimizers],
        'optimizer_types': [type(optimizer).__name__ for optimizer in self.optimizers],
        'schedulers': [scheduler.state_dict() for scheduler in self.schedulers],
        'networks': dict(vars(self).get('_saved_networks', {}).get(current_iter, {})),
        'manual_seed': self.opt.get('manual_seed'),
    }
    plan = current_plan()
    if plan is not None:
        state['dealing'] = asdict(plan.dealing_after(current_iter))
        state['images'] = plan.images
    state['ranks'] = ranks
    state['total_iter'] = int(self.opt['train']['total_iter'])
    state['best_metric_results'] = plain_values(vars(self).get('best_metric_results', {}))
    state |= getattr(self, 'extra_training_state', dict)()
    atomic_torch_save(state, Path(self.opt['path']['training_states']) / f'{current_iter}.state')


def apply() -> None:
    """Save the networks and states of every BasicSR model this way."""
    replace_method(BaseModel, 'save_network', save_network)
    replace_method(BaseModel, 'save_training_state', save_training_state)
