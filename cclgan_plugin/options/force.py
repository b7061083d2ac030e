"""``--force_yml``: options given on the command line, set without executing anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cclgan_plugin.errors import OptionError
from cclgan_plugin.options.inherit import BASE_KEY, DELETE_KEY, LoadedOptions, merge
from cclgan_plugin.options.place import KeyPath, Place
from cclgan_plugin.options.yaml_file import parse_value


def force_options(loaded: LoadedOptions, entries: Sequence[str]) -> LoadedOptions:
    """Override options.

    Args:
        loaded: options as read from files.
        entries: ``'key:key:...=value'``. The value is YAML (``1e-4``, ``[0.5, 0.999]``, ``true``, ``~``) and
            may contain ``=``. Keys may be new; whether they exist is for the schema to say. Later ones win.

    Returns:
        New options; ``loaded`` stays as it is. The changed keys' place is the argument.

    Raises:
        OptionError: an entry is malformed, or leads through something that is not a map.
    """
    for entry in entries:
        source = f'--force_yml {entry}'
        keys, value = _split(entry, source)
        _check_way(loaded.values, keys, source)
        new = [tuple(keys[:i]) for i in range(1, len(keys)) if tuple(keys[:i]) not in loaded.places]
        places: dict[KeyPath, Place] = dict.fromkeys(new, Place(source))
        _place_all(value, tuple(keys), Place(source), places)
        loaded = merge(loaded, _nest(keys, value), places)
    return loaded


def _split(entry: str, source: str) -> tuple[list[str], Any]:
    left, equals, right = entry.partition('=')
    keys = [key.strip() for key in left.split(':')]
    if not equals:
        raise OptionError(f'{source}: expected KEY:KEY:...=VALUE, e.g. train:total_iter=1000')
    if not all(keys):
        raise OptionError(f'{source}: a key before the "=" is empty; expected KEY:KEY:...=VALUE')
    if BASE_KEY in keys or DELETE_KEY in keys:
        raise OptionError(f'{source}: {BASE_KEY} and {DELETE_KEY} belong into options files')
    right = right.strip()
    if not right:
        raise OptionError(
            f'{source}: no value after the "="; write null for "nothing" and "" for an empty text'
        )
    return keys, parse_value(right, source)


def _check_way(values: Any, keys: Sequence[str], source: str) -> None:
    for i, key in enumerate(keys):
        if values is None:
            return
        if not isinstance(values, dict):
            way = ':'.join(keys[:i])
            kind = 'a list; give it as a whole' if isinstance(values, list) else f'{values!r}, not a map'
            raise OptionError(f'{source}: "{way}" is {kind}')
        values = values.get(key)


def _nest(keys: Sequence[str], value: Any) -> dict[str, Any]:
    from addict import Dict

    nested = Dict()
    node = nested
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    return nested.to_dict()


def _place_all(value: Any, path: KeyPath, place: Place, places: dict[KeyPath, Place]) -> None:
    places[path] = place
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, item in items:
        _place_all(item, (*path, key), place, places)
