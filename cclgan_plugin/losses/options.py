"""Checks of the losses' options that say which words are possible."""

from __future__ import annotations

from collections.abc import Sequence

from cclgan_plugin.errors import OptionError, did_you_mean


def check_choice(owner: str, key: str, value: str, choices: Sequence[str]) -> str:
    """Return ``value``, or raise an OptionError naming the owner, the key and the possible words."""
    if value not in choices:
        raise OptionError(
            f'{owner}: {key} must be one of {", ".join(choices)}, got {value!r}.'
            + did_you_mean(str(value), choices)
        )
    return value


def check_choices(
    owner: str, key: str, values: Sequence[str], choices: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return ``values`` as a tuple: at least one, none twice, each out of ``choices`` if there are any."""
    if isinstance(values, str) or not values:
        raise OptionError(f'{owner}: {key} must be a list of at least one word, got {values!r}')
    if len(set(values)) != len(values):
        raise OptionError(f'{owner}: {key} names something twice: {list(values)}')
    for value in values if choices is not None else ():
        check_choice(owner, key, value, choices or ())
    return tuple(values)
