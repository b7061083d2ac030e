"""``cclgan://NAME`` in place of a path: in ``pretrain_network_*`` and in mmengine's ``CheckpointLoader``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cclgan_plugin.zoo.download import fetch
from cclgan_plugin.zoo.index import find_entry

SCHEME = 'cclgan://'


def local_weights(address: str) -> Path:
    """The local file of ``cclgan://NAME`` or ``NAME``; it is downloaded once if need be.

    Raises:
        WeightsError: there is no such model, or it cannot be downloaded.
    """
    return fetch(find_entry(address.removeprefix(SCHEME).strip('/')))


def load_from_cclgan(filename: str, map_location: Any = None, logger: Any = 'current') -> dict[str, Any]:
    """What mmengine's ``CheckpointLoader`` calls for ``cclgan://NAME``.

    Args:
        filename: the address.
        map_location: a device for the tensors.
        logger: not needed.

    Returns:
        ``state_dict``, and ``meta`` with the name of the network (``arch``) and its ``options``.
    """
    from cclgan_plugin.inference.weights_file import read_weights

    weights = read_weights(local_weights(filename))
    tensors = weights.tensors
    if map_location is not None:
        tensors = {name: tensor.to(map_location) for name, tensor in tensors.items()}
    return {'state_dict': tensors, 'meta': {'arch': weights.arch, 'options': weights.options, **weights.info}}


def register() -> None:
    """Let BasicSR's and mmengine's loaders know the scheme."""
    from mmengine.runner.checkpoint import CheckpointLoader

    from cclgan_plugin.mends.trusted_load import SCHEMES

    SCHEMES[SCHEME] = local_weights
    CheckpointLoader.register_scheme(SCHEME, load_from_cclgan, force=True)
