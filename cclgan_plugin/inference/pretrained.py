"""The network behind a name of the Model Zoo, a ``cclgan://`` address or a file."""

from __future__ import annotations

import os
from pathlib import Path

from cclgan_plugin.errors import WeightsError, did_you_mean, did_you_mean_file
from cclgan_plugin.inference.checkpoint import read_checkpoint
from cclgan_plugin.inference.weights_file import NetworkWeights, read_weights

_CHECKPOINTS = ('.pth', '.pt', '.ckpt')


def find_weights(
    name_or_path: str | os.PathLike[str], options: str | None = None, network: str | None = None
) -> tuple[NetworkWeights, str]:
    """Weights with the description of their network, and the file they came from.

    Args:
        name_or_path: a name of the zoo (``derain-small``), its address (``cclgan://derain-small``), a
            ``.safetensors`` file, or a checkpoint of a training (``.pth``).
        options: for checkpoints, the options file of the training; by default the one in its folder.
        network: for checkpoints, such as ``network_g``.

    Raises:
        WeightsError: there is no such name or file, it is damaged, or it is something else.
    """
    from cclgan_plugin.zoo.address import SCHEME, local_weights
    from cclgan_plugin.zoo.index import names

    text = os.fspath(name_or_path)
    in_zoo = text.startswith(SCHEME) or text in names()
    file = local_weights(text) if in_zoo else Path(text).expanduser()
    if not file.exists():
        near = did_you_mean(text, names()) or did_you_mean_file(file)
        raise WeightsError(f'{text}: there is no such file, and no such model in the zoo.{near}')
    if file.suffix in _CHECKPOINTS:
        return read_checkpoint(file, options, network), str(file)
    if file.suffix != '.safetensors':
        what = 'this is a folder' if file.is_dir() else f'the file ends in "{file.suffix}"'
        raise WeightsError(
            f'{text}: {what}; expected weights: .safetensors, or a checkpoint of a training (.pth)'
        )
    return read_weights(file), str(file)
