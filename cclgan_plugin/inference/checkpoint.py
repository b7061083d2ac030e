"""A checkpoint of a training, described by the options that lie beside it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from cclgan_plugin.errors import OptionError, WeightsError, did_you_mean
from cclgan_plugin.inference.weights_file import NetworkWeights
from cclgan_plugin.weight_names import bare_names

#: BasicSR's names: net_g_latest.pth, net_g_rain_5000.pth.
_NAME = re.compile(r'net_(?P<network>\w+?)_(?:latest|\d+)$')


def read_checkpoint(
    path: str | os.PathLike[str], options: str | None = None, network: str | None = None
) -> NetworkWeights:
    """Weights out of a ``.pth`` file of BasicSR, with the network that the run's options describe.

    Args:
        path: the checkpoint; averaged weights (``params_ema``) are preferred to plain ones.
        options: the options file; by default the one in the folder of the run, above ``models/``.
        network: such as ``network_g``; by default what the file's name says.

    Raises:
        WeightsError: the file is missing, damaged, or no checkpoint of a network.
        OptionError: there is no options file, or it does not describe that network.
    """
    from cclgan_plugin.mends.trusted_load import load_data_only

    path = Path(path)
    content = load_data_only(path)
    tensors, entry = _weights(content, path)
    named = _NAME.match(path.stem)
    network = network or (f'network_{named["network"]}' if named else 'network_g')
    block, source = _block(path, options, network)
    arch = block.pop('type')
    if not isinstance(arch, str):
        raise OptionError(f'{source}: {network}: type: expected the name of a network, got {arch!r}')
    return NetworkWeights(arch, block, tensors, {'source': f'{path.name} ({entry})'})


def _weights(content: Any, path: Path) -> tuple[dict[str, Tensor], str]:
    if isinstance(content, dict) and {'optimizers', 'iter'} <= content.keys():
        raise WeightsError(
            f'{path}: a training state, not the weights of a network; take the .pth file in models/'
        )
    entry = 'bare weights'
    if isinstance(content, dict):
        for key in ('params_ema', 'params'):
            if isinstance(content.get(key), dict):
                content, entry = content[key], key
                break
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(value, Tensor) for value in content.values())
    ):
        what = ', '.join(map(str, list(content)[:5])) if isinstance(content, dict) else type(content).__name__
        raise WeightsError(f'{path}: no weights of a network, it holds {what or "nothing"}')
    return bare_names(content), entry


def _block(path: Path, options: str | None, network: str) -> tuple[dict[str, Any], str]:
    from cclgan_plugin.options.inherit import load_options

    file = Path(options) if options else _options_beside(path)
    values = load_options(file).values
    block = values.get(network)
    if not isinstance(block, dict) or 'type' not in block:
        if network in values:
            raise OptionError(
                f'{file}: {network}: expected "type", the name of a network, and its options, got '
                f'{_shortened(block)}'
            )
        near = did_you_mean(network, [key for key in values if key.startswith('network_')])
        raise OptionError(f'{file}: it describes no "{network}".{near}')
    return dict(block), str(file)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def _options_beside(path: Path) -> Path:
    folder = path.absolute().parent.parent
    found = sorted([*folder.glob('*.yml'), *folder.glob('*.yaml')])
    if len(found) == 1:
        return found[0]
    what = 'no options file' if not found else f'{len(found)} options files'
    raise OptionError(
        f'{path}: a .pth file does not say which network it belongs to, and there is {what} in {folder}; '
        'export it with that of the training: basicsr export FILE.pth -f safetensors --opt FILE.yml'
    )
