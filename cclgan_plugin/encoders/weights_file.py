"""Reading weights that someone else made: tensors only, never code, and a plain word if it fails."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.errors import WeightsError, did_you_mean, line_of
from cclgan_plugin.mends.checkpoint_size import check_size
from cclgan_plugin.mends.trusted_load import load_safetensors
from cclgan_plugin.weight_names import bare_names


def find_weights(weights: str, where: str, keywords: tuple[str, ...]) -> Path:
    """The file that the option ``weights`` names.

    Args:
        weights: a path, relative to the current directory; ``~`` is the home directory.
        where: begins the message, such as ``'CLIPEncoder'``.
        keywords: the words that ``weights`` may be besides a path.

    Raises:
        WeightsError: there is no such file.
    """
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    what = 'a folder, not a file' if path.is_dir() else 'not a file'
    raise WeightsError(
        f'{where}: weights: "{weights}" is {what} (looked for {path.absolute()}). Give the path of a weights '
        f'file, or one of: {", ".join(keywords)}.{did_you_mean(weights, keywords)}'
    )


def file_identity(path: Path) -> tuple[str, int, int]:
    """Tells two files, or two versions of one file, apart without reading them."""
    status = path.stat()
    return os.path.realpath(path), status.st_mtime_ns, status.st_size


def read_tensors(path: Path, key: str) -> dict[str, Tensor]:
    """The named tensors of a ``.safetensors`` file or of a file written by ``torch.save``.

    Large files are mapped, not read: tensors that nobody touches cost no memory.

    Args:
        path: an existing file.
        key: where the tensors may lie inside the file's dictionary (BasicSR: ``params``); a file
            that holds nothing but tensors is taken as it is.

    Raises:
        WeightsError: the file is of another kind, damaged, or holds more than tensors.
    """
    content = _read_safetensors(path) if path.suffix == '.safetensors' else _read_torch(path)
    if isinstance(content, Mapping) and key in content and isinstance(content[key], Mapping):
        content = content[key]
    elif isinstance(content, Mapping) and any(isinstance(value, Mapping) for value in content.values()):
        inner = ', '.join(str(name) for name in content)
        raise WeightsError(f'{path}: the weights should lie under the key "{key}", the file has: {inner}.')
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f'{path}: expected named tensors, the file holds {_describe_value(content)}.')
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f'{path}: expected named tensors, under "{name}" the file holds {_describe_value(value)}.'
            )
    return bare_names(content)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_safetensors(path)
    except Exception as error:
        raise WeightsError(f'{path}: not a readable .safetensors file ({line_of(error)}).') from error


def _read_torch(path: Path) -> Any:
    zipped = zipfile.is_zipfile(path)
    if zipped:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
        if any(name.endswith('/constants.pkl') for name in members):
            raise WeightsError(
                f'{path}: a TorchScript archive (the form in which OpenAI hands out CLIP) is a program, and '
                'loading it would run it. Take the same weights as .safetensors, or save the state_dict of a '
                'model that you trust with torch.save.'
            )
        if any(name.endswith('.npy') for name in members):
            raise WeightsError(f'{path}: a numpy archive; expected .safetensors or a file of torch.save.')
    try:
        check_size(path)
        return torch.load(str(path), map_location='cpu', weights_only=True, mmap=zipped)
    except WeightsError:
        raise
    except Exception as error:
        foreign = re.search(r'GLOBAL ([\w.]+)', str(error))
        if foreign:
            raise WeightsError(
                f'{path}: besides tensors the file holds "{foreign[1]}", and reading that could run code. '
                'Save the state_dict alone, as .safetensors or with torch.save.'
            ) from error
        raise WeightsError(
            f'{path}: neither .safetensors nor a file of torch.save, or damaged ({line_of(error)}).'
        ) from error


def _describe_value(value: object) -> str:
    if isinstance(value, Tensor):
        return f'a tensor {tuple(value.shape)}'
    return 'nothing' if value is None or value == {} else f'a {type(value).__name__}'
