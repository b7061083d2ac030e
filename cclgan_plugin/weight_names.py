"""What the weights of a network are called once nothing is wrapped around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

_T = TypeVar('_T')

_COMPILED = '_orig_mod.'
_PARALLEL = 'module.'


def bare_names(weights: Mapping[str, _T]) -> dict[str, _T]:
    """The same without the prefixes that ``torch.compile``, DDP and DataParallel give to every name.

    Args:
        weights: anything by name of a weight, such as tensors or their shapes.
    """
    found = {str(name).replace(_COMPILED, ''): value for name, value in weights.items()}
    # A network may have a part of that name; a wrapper has nothing else.
    wrapped = all(name.startswith(_PARALLEL) for name in found)
    return {name.removeprefix(_PARALLEL): value for name, value in found.items()} if wrapped else found
