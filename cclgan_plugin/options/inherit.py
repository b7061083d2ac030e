"""``_base_``: an options file that says only what differs from another one."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cclgan_plugin.errors import OptionError, did_you_mean_file
from cclgan_plugin.options.place import KeyPath, Place
from cclgan_plugin.options.yaml_file import read_yaml

BASE_KEY = '_base_'
DELETE_KEY = '_delete_'


@dataclass(frozen=True)
class LoadedOptions:
    """Options as written, before any check.

    Attributes:
        file: the file that was asked for.
        values: plain maps, lists and scalars.
        places: where each key and list element was written last.
    """

    file: Path
    values: dict[str, Any]
    places: dict[KeyPath, Place] = field(default_factory=dict)

    def place(self, path: KeyPath) -> Place:
        """Where the value at ``path`` was written, or the nearest map around it."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, Place(str(self.file)))


def load_options(path: str | Path) -> LoadedOptions:
    """Read an options file with everything it inherits.

    ``_base_: FILE`` or ``_base_: [FILE, ...]`` at the top, relative to the file that says so, names files to
    start from; later ones win over earlier ones, the file itself wins over all. Maps are merged key by key,
    anything else is replaced. ``_delete_: true`` inside a map drops what was inherited there. ``key: ~``
    switches a map off.

    Raises:
        OptionError: a file is missing or not valid, the files inherit from each other in a circle, or
            ``_base_`` or ``_delete_`` is misused.
    """
    return _load(Path(path).expanduser(), ())


def merge(base: LoadedOptions, values: dict[str, Any], places: dict[KeyPath, Place]) -> LoadedOptions:
    """``base`` overridden by ``values``, through mmengine's ``Config``."""
    values = _mark_replacements(copy.deepcopy(values), base.values)
    merged_places = dict(base.places)
    _merge_places(values, base.values, places, merged_places, ())
    # Below a key of our own: at its top Config reserves some names ("text") and splits those with dots.
    config = Config({'options': copy.deepcopy(base.values)})
    config.merge_from_dict({'options': values}, allow_list_keys=False)
    merged = _without_delete_keys(config.to_dict()['options'])
    return LoadedOptions(base.file, merged, merged_places)


def _load(path: Path, chain: tuple[Path, ...]) -> LoadedOptions:
    resolved = path.resolve()
    if resolved in chain:
        circle = ' -> '.join(p.name for p in (*chain[chain.index(resolved) :], resolved))
        raise OptionError(f'{path}: the files inherit from each other in a circle: {circle}')
    yaml_file = read_yaml(path)
    values, places = dict(yaml_file.values), dict(yaml_file.places)
    _check_special_keys(values, places, ())
    result = LoadedOptions(path, {}, {})
    for base in _bases(values.pop(BASE_KEY, []), places.pop((BASE_KEY,), Place(str(path)))):
        loaded = _load(base, (*chain, resolved))
        result = merge(result, loaded.values, loaded.places)
    places = {p: place for p, place in places.items() if p[:1] != (BASE_KEY,)}
    return merge(LoadedOptions(path, result.values, result.places), values, places)


def _bases(value: Any, place: Place) -> list[Path]:
    names = value if isinstance(value, list) else [value]
    bases = []
    for name in names:
        if not isinstance(name, str) or not name:
            raise OptionError(
                f'{place}: {BASE_KEY}: expected the name of a file or a list of such, got {name!r}'
            )
        base = Path(place.source).parent / Path(name).expanduser()
        if not base.is_file():
            near = did_you_mean_file(base, '*.y*ml')
            raise OptionError(f'{place}: {BASE_KEY}: there is no file {base}.{near}')
        bases.append(base)
    return bases


def _check_special_keys(values: Any, places: dict[KeyPath, Place], path: KeyPath) -> None:
    """``_base_`` below the top and a ``_delete_`` that is not true would otherwise end up as options."""
    items = (
        enumerate(values) if isinstance(values, list) else values.items() if isinstance(values, dict) else ()
    )
    for key, value in items:
        here = (*path, key)
        if key == BASE_KEY and path:
            raise OptionError(
                f'{places[here]}: {BASE_KEY} belongs at the top of the file, not into "{path[-1]}"'
            )
        if key == DELETE_KEY and (value is not True or not path):
            raise OptionError(f'{places[here]}: {DELETE_KEY} takes only "true", and stands inside a map')
        _check_special_keys(value, places, here)


def _mark_replacements(values: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """Mark maps that take the place of something that is no map; Config refuses them otherwise."""
    for key, value in values.items():
        if isinstance(value, dict) and key in base:
            if isinstance(base[key], dict):
                _mark_replacements(value, base[key])
            else:
                value[DELETE_KEY] = True
    return values


def _merge_places(
    values: dict[str, Any],
    base: dict[str, Any],
    places: dict[KeyPath, Place],
    merged: dict[KeyPath, Place],
    path: KeyPath,
) -> None:
    if path in places:
        merged[path] = places[path]
    for key, value in values.items():
        here = (*path, key)
        inherited = base.get(key)
        if isinstance(value, dict) and isinstance(inherited, dict) and not value.get(DELETE_KEY):
            _merge_places(value, inherited, places, merged, here)
            continue
        for old in [p for p in merged if p[: len(here)] == here]:
            del merged[old]
        merged.update({p: place for p, place in places.items() if p[: len(here)] == here})


def _without_delete_keys(value: Any) -> Any:
    """A ``_delete_`` with nothing to delete stays behind in what Config merges."""
    if isinstance(value, dict):
        return {k: _without_delete_keys(v) for k, v in value.items() if k != DELETE_KEY}
    return [_without_delete_keys(v) for v in value] if isinstance(value, list) else value
