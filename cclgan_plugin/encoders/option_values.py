"""The options that encoders share, read with an eye on what a person may have mistyped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cclgan_plugin.errors import OptionError


def read_word(value: object, where: str) -> str:
    """A text that is not empty, or an :class:`OptionError` that begins with ``where``."""
    if not isinstance(value, str) or not value:
        raise OptionError(f'{where}: expected a name or a path, got {value!r}.')
    return value


def read_weight(value: object, where: str) -> float:
    """A finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise OptionError(f'{where}: expected a number, got {value!r}.')
    if not math.isfinite(value) or value < 0:
        raise OptionError(f'{where}: expected a finite number of at least 0, got {value!r}.')
    return float(value)


def read_layers(value: object, where: str) -> tuple[str, ...]:
    """A list of distinct layer names, at least one."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise OptionError(f'{where}: expected a list of layer names, got {value!r}.')
    for name in value:
        if not isinstance(name, str):
            raise OptionError(f'{where}: expected layer names, got {name!r} among them.')
    if len(set(value)) != len(value):
        raise OptionError(f'{where}: a layer is named twice in {list(value)!r}.')
    return tuple(value)


def read_layer_weights(value: object, layers: Sequence[str], where: str) -> tuple[float, ...]:
    """One number per layer; ``None`` counts every layer once."""
    if value is None:
        return (1.0,) * len(layers)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise OptionError(f'{where}: expected a list of numbers, one per layer, got {value!r}.')
    if len(value) != len(layers):
        raise OptionError(f'{where}: {len(value)} numbers for the {len(layers)} layers {list(layers)!r}.')
    return tuple(read_weight(number, where) for number in value)
