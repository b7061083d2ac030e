"""Weights with the description of their network: a ``.safetensors`` file that loads without a YAML."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.errors import WeightsError, line_of

#: Written into every file; a reader refuses files of a later version.
FORMAT_VERSION = 1

#: A copy of the description as bytes of a tensor, for programs that see tensors only (spandrel).
NOTE = '_description'


@dataclass(frozen=True)
class NetworkWeights:
    """A network as data: what to build, and what to load into it.

    Attributes:
        arch: name of the network in BasicSR's ``ARCH_REGISTRY``.
        options: its constructor's arguments.
        tensors: its ``state_dict``.
        info: free text by key, such as ``source`` and ``licence``.
    """

    arch: str
    options: dict[str, Any]
    tensors: dict[str, Tensor]
    info: dict[str, str] = field(default_factory=dict)


def write_weights(path: str | os.PathLike[str], weights: NetworkWeights, half: bool = False) -> None:
    """Write a ``.safetensors`` file of :func:`packed` weights, whole or not at all.

    Args:
        path: where to; missing folders are made.
        weights: the network.
        half: see :func:`packed`.

    Raises:
        WeightsError: a weight does not fit into float16.
        DataError: the file cannot be written.
    """
    from cclgan_plugin.whole_file import write_whole

    write_whole(os.fspath(path), packed(weights, half))


def packed(weights: NetworkWeights, half: bool = False) -> bytes:
    """A network as the content of a ``.safetensors`` file.

    Its metadata: ``format`` (``pt``), ``cclgan_format`` (the version), ``arch``, ``options`` (JSON),
    ``value_range`` (images enter and leave in ``[0, 1]``), ``scale`` and what ``info`` holds.

    Args:
        weights: the network.
        half: store floating-point tensors in float16, which halves the file; they are computed with in
            float32 again.

    Raises:
        WeightsError: a weight does not fit into float16.
    """
    from safetensors.torch import save

    tensors = {name: _stored(name, tensor, half) for name, tensor in weights.tensors.items()}
    described = {
        'cclgan_format': str(FORMAT_VERSION),
        'arch': weights.arch,
        'options': json.dumps(weights.options, sort_keys=True),
        'value_range': '[0, 1]',
        'scale': '1',
        **weights.info,
    }
    # Its length is a multiple of 8, so that the tensors behind it stay aligned.
    note = json.dumps(described, sort_keys=True).encode()
    tensors[NOTE] = torch.frombuffer(bytearray(note + b' ' * (-len(note) % 8)), dtype=torch.uint8)
    content: bytes = save(tensors, metadata={'format': 'pt', **described})
    return content


def read_weights(path: str | os.PathLike[str]) -> NetworkWeights:
    """Read a file of :func:`write_weights`.

    Raises:
        WeightsError: there is no such file, it is damaged, of another kind, or of a later version.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise WeightsError(f'{path}: {"this is a folder" if path.is_dir() else "there is no such file"}')
    try:
        with safe_open(path, framework='pt') as file:
            found = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f'{path}: not a readable .safetensors file: {line_of(error)}') from error
    return described_weights(found, {n: t for n, t in tensors.items() if n != NOTE}, str(path))


def described_weights(found: Mapping[str, str], tensors: dict[str, Tensor], where: str) -> NetworkWeights:
    """Metadata and tensors put together.

    Args:
        found: the metadata.
        tensors: the weights.
        where: the file, for messages.

    Raises:
        WeightsError: the metadata are not ours, or of a later version.
    """
    version = found.get('cclgan_format')
    if version is None:
        raise WeightsError(
            f'{where}: the file does not say which network it belongs to (no "cclgan_format" in its '
            'metadata); make one that does from a checkpoint: basicsr export FILE.pth -f safetensors'
        )
    if version not in map(str, range(1, FORMAT_VERSION + 1)):
        raise WeightsError(
            f'{where}: written in version {version:.20} of the format, this program reads up to '
            f'{FORMAT_VERSION}; install a later cclgan-plugin'
        )
    try:
        arch, options = found['arch'], json.loads(found['options'])
    except (KeyError, ValueError, RecursionError) as error:
        raise WeightsError(f'{where}: the description of the network is damaged ({error})') from error
    if not isinstance(options, dict):
        raise WeightsError(f'{where}: the description of the network is damaged (its options are no map)')
    known = {'format', 'cclgan_format', 'arch', 'options', 'value_range', 'scale'}
    info = {key: value for key, value in found.items() if key not in known}
    return NetworkWeights(arch, options, tensors, info)


def read_note(note: Tensor) -> dict[str, str]:
    """The metadata out of the tensor :data:`NOTE`.

    Raises:
        WeightsError: it holds none, or is damaged.
    """
    try:
        found = json.loads(bytes(note.tolist()).decode())
    except (TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f'"{NOTE}": the description of the network is damaged ({error})') from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise WeightsError(f'"{NOTE}": the description of the network is damaged (expected text by name)')
    return found


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    if not half:
        return tensor.float()
    stored = tensor.half()
    if not stored.isfinite().all():
        raise WeightsError(f'{name}: a weight of {tensor.abs().max():.3g} does not fit into float16')
    return stored
