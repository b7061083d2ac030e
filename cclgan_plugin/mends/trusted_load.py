"""Reading a checkpoint from a stranger: data only, and one clear message when it is none.

Not a mend by itself but what two of them share.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.errors import WeightsError
from cclgan_plugin.mends.checkpoint_size import check_size

#: Who turns an address such as ``scheme://name`` into a local file, by what the address begins with.
SCHEMES: dict[str, Callable[[str], Path]] = {}


class BareWeights(dict[str, Tensor]):
    """The tensors of a ``.safetensors`` file: weights by name, without BasicSR's entry ``params`` above."""


def local_file(path: str | os.PathLike[str]) -> Path:
    """The file that a path or an address of :data:`SCHEMES` stands for; an address may be downloaded."""
    text = os.fspath(path)
    for prefix, resolve in SCHEMES.items():
        if text.startswith(prefix):
            return resolve(text)
    return Path(text)


def load_data_only(path: str | os.PathLike[str]) -> Any:
    """Read a checkpoint onto the CPU, without ever running code from the file.

    Args:
        path: a file of ``torch.save`` or a ``.safetensors`` file, or an address of :data:`SCHEMES`.

    Returns:
        What was saved; :class:`BareWeights` of a ``.safetensors`` file.

    Raises:
        WeightsError: there is no such file, it is cut short, holds more than plain data, or would grow
            while it is read.
    """
    path = local_file(path)
    try:
        if path.suffix == '.safetensors':
            return load_safetensors(path)
        if _is_program(path):
            raise WeightsError(f'{path} is a TorchScript program, not weights; give what it was made of.')
        check_size(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f'There is no file {path}.') from error
    except OSError as error:
        raise WeightsError(f'{path} cannot be read: {error.strerror or error}.') from error
    except Exception as error:
        # torch raises RuntimeError, UnpicklingError, EOFError, ValueError and more, by kind of damage; its
        # messages run to paragraphs, some of which advise to run what the file holds.
        reason = 'it is cut short, or damaged'
        if isinstance(error, pickle.UnpicklingError):
            reason = 'it is no checkpoint, or holds more than tensors, numbers and text, which is not trusted'
        raise WeightsError(f'{path} cannot be read as a checkpoint: {reason}.') from error


def _is_program(path: Path) -> bool:
    """Whether a file holds code, as ``torch.jit.save`` writes it; torch.load would call it damaged."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith('/constants.pkl') for name in archive.namelist())


def load_safetensors(path: Path) -> BareWeights:
    """The weights in a ``.safetensors`` file; what its reader raises is of many kinds."""
    from safetensors.torch import load_file

    # A name that begins with an underscore is a note of the file's writer, not a weight of the network.
    return BareWeights((name, tensor) for name, tensor in load_file(path).items() if not name.startswith('_'))
