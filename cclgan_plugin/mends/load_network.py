"""``path.pretrain_network_g`` with a file of another kind or architecture: a traceback without the
file's name or the option's. What a file lacks is drawn at random, once for the generator and once more for
its average; the average looks for ``params_ema`` or ``params``, whatever key the options name. A network that
was added to the options of a run to go on with: a file is missing that never was.

In every release: ``BaseModel.load_network``.
``.safetensors`` files are not read at all.
May go when it says which file does not fit, and how.
"""

from __future__ import annotations

import os
from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from torch import Tensor, nn

from cclgan_plugin.errors import WeightsError
from cclgan_plugin.mends import resume_state
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method
from cclgan_plugin.mends.trusted_load import BareWeights, load_data_only
from cclgan_plugin.training.state_networks import of_networks_added
from cclgan_plugin.weight_names import bare_names

__all__ = ['apply', 'load_network', 'needed']


def load_network(
    self: Any,
    net: nn.Module,
    load_path: str | os.PathLike[str],
    strict: bool = True,
    param_key: str | None = 'params',
) -> None:
    """Load weights into ``net``.

    Args:
        net: the network, wrapped or bare.
        load_path: a checkpoint with the weights under ``param_key``, or a ``.safetensors`` file.
        strict: every tensor must have its counterpart; else those that fit are loaded.
        param_key: ``params``, ``params_ema`` (falls back to ``params``), or None for a file of bare weights.

    Raises:
        WeightsError: the file cannot be read, holds no such key, or fits another network; or the run that is
            to go on had no such network.
    """
    average = net is vars(self).get('net_g_ema')
    if average:
        self.model_ema(0)  # what the file lacks is the generator's
    net = self.get_bare_model(net)
    name = net.__class__.__name__
    if words := of_networks_added(self.opt, load_path, resume_state.starting_networks):
        raise WeightsError(words)
    loaded = load_data_only(load_path)
    logger = get_root_logger()
    if average and param_key == 'params_ema' and not (isinstance(loaded, dict) and param_key in loaded):
        param_key = self.opt['path'].get('param_key_g', 'params')
    if param_key is not None and isinstance(loaded, dict) and not isinstance(loaded, BareWeights):
        if param_key not in loaded and 'params' in loaded:
            logger.info(f'{load_path} holds no {param_key}; params are used.')
            param_key = 'params'
        if param_key not in loaded:
            found = ', '.join(map(str, list(loaded)[:5])) or 'nothing'
            raise WeightsError(f'{load_path} holds no "{param_key}" for {name}; it holds {found}.')
        loaded = loaded[param_key]
    if not isinstance(loaded, dict) or not all(isinstance(tensor, Tensor) for tensor in loaded.values()):
        raise WeightsError(f'{load_path} holds no weights of a network for {name}.')
    weights = bare_names(loaded)
    logger.info(f'Loading {name} from {load_path} ({param_key or "bare weights"}).')
    own = net.state_dict()
    misfits = [key for key in weights if key in own and own[key].shape != weights[key].shape]
    missing, foreign = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if strict and (misfits or missing or foreign):
        raise WeightsError(
            f'{load_path} does not fit {name}: ' + _describe(own, weights, misfits, missing, foreign)
        )
    if misfits or missing or foreign:
        logger.warning(
            f'{load_path} fits {name} in part: ' + _describe(own, weights, misfits, missing, foreign)
        )
    net.load_state_dict({key: tensor for key, tensor in weights.items() if key not in misfits}, strict=strict)


def _describe(
    own: dict[str, Tensor],
    weights: dict[str, Tensor],
    misfits: list[str],
    missing: list[str],
    foreign: list[str],
) -> str:
    """One example of each kind of difference, and how many there are."""
    parts = []
    if misfits:
        key = misfits[0]
        parts.append(
            f'{len(misfits)} tensor(s) of another shape, such as {key}: {tuple(weights[key].shape)} in the '
            f'file, {tuple(own[key].shape)} in the network'
        )
    if missing:
        parts.append(f'{len(missing)} missing in the file, such as {missing[0]}')
    if foreign:
        parts.append(f'{len(foreign)} unknown to the network, such as {foreign[0]}')
    return '; '.join(parts) + '.'


def apply() -> None:
    """Load the networks of every BasicSR model this way."""
    replace_method(BaseModel, 'load_network', load_network)
