"""Going through options and schema side by side, noting everything that is wrong."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import ValidationError

from cclgan_plugin.errors import did_you_mean
from cclgan_plugin.options import registered
from cclgan_plugin.options.place import KeyPath
from cclgan_plugin.options.problems import Problem, of_validation, shown
from cclgan_plugin.options.schema import BLOCKS, CLOSED, BlockOf, Kind, Options
from cclgan_plugin.options.spelling import near_misspelling

#: Types that get their schema's defaults filled in: those that read their options map without defaults, and
#: our own, so that the options kept with an experiment still say all when a default has changed.
FILLED_IN = (
    'UnpairedImageDataset',
    'calculate_niqe',
    'CCLGANGenerator',
    'CCLGANDiscriminator',
    'LCLHead',
    'LCLLoss',
    'IntraCCLLoss',
    'InterCCLLoss',
    'CLIPEncoder',
    'VGG19Encoder',
)


#: The methods of a model that build what has a type of this kind. Whoever replaces one may know other types.
_BUILT_IN: dict[Kind, tuple[str, ...]] = {
    'optimizer': ('get_optimizer', 'setup_optimizers'),
    'scheduler': ('setup_schedulers',),
}


class Walk:
    """Checks maps against their models.

    Args:
        model_type: whose options they are.
        strict: unknown keys are errors. Otherwise only near misspellings are, because the code of a third
            party may read the others.

    Attributes:
        problems: what was found so far.
    """

    def __init__(self, model_type: str, strict: bool) -> None:
        self.model_type = model_type
        self.strict = strict
        self.problems: list[Problem] = []

    def note(self, path: KeyPath, text: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(path, text))

    def map(self, schema: type[Options], values: dict[str, Any], path: KeyPath, fill: bool) -> dict[str, Any]:
        """Check one map and every map and typed block inside it.

        Args:
            schema: its model.
            values: as read from the file.
            path: where it stands.
            fill: put defaults in for missing keys.

        Returns:
            The map, with ``5e3`` for a count made ``5000``. Of no use if there are problems.
        """
        found: dict[str, Any] = {}
        try:
            found = schema.model_validate(_known_part(schema, values)).model_dump(
                exclude_unset=not fill, warnings=False
            )
        except ValidationError as error:
            self.problems += of_validation(error, path)
        self._unknown_keys(schema, values, path)
        found |= {key: value for key, value in values.items() if key not in schema.model_fields}
        for name, field in schema.model_fields.items():
            value = values.get(name)
            inner = model_in(field.annotation)
            block = next((m for m in field.metadata if isinstance(m, BlockOf)), None)
            if block is not None and value is not None and (block.form != 'one' or isinstance(value, dict)):
                found[name] = self._blocks(block, value, (*path, name))
            elif inner is not None and isinstance(value, dict):
                # Its values are judged a second time here, which does not matter: a problem counts once.
                found[name] = self.map(inner, value, (*path, name), fill)
        # In the order of the file, what was filled in behind it: so the saved options read like the file.
        return {key: found[key] for key in values if key in found} | found

    def block(self, kind: Kind, value: Any, path: KeyPath) -> Any:
        """Check a map with a ``type:``: the type is registered, takes these keys, and misses none."""
        if not isinstance(value, dict):
            self.note(path, f'expected a map with "type:", got {shown(value)}')
            return value
        name = value.get('type')
        if not isinstance(name, str):
            missing = 'this key is missing' if name is None else f'expected text, got {shown(name)}'
            self.note((*path, 'type'), f'{missing}; types are {", ".join(registered.names_of(kind))}')
            return value
        if registered.find(kind, name) is None:
            self._unknown_type(kind, name, path)
            return value
        schema = BLOCKS.get((kind, name))
        signature = registered.signature_of(kind, name)
        if schema is None:
            if signature is not None:
                self._fit(signature, value, name, path)
            return value
        # Keys of the constructor that the schema leaves out (torch's Adam has a dozen) are right as well.
        extra = {
            k: v
            for k, v in value.items()
            if signature and k in signature.known and k not in schema.model_fields
        }
        own = {k: v for k, v in value.items() if k not in extra}
        return self.map(schema, own, path, fill=name in FILLED_IN) | extra

    def _blocks(self, mark: BlockOf, value: Any, path: KeyPath) -> Any:
        if mark.form == 'named' and isinstance(value, dict):
            # "val: ~" switches an inherited set or metric off.
            given = {name: item for name, item in value.items() if item is not None}
            return {name: self.block(mark.kind, item, (*path, name)) for name, item in given.items()}
        if mark.form == 'one_or_list' and isinstance(value, list):
            if not value:
                self.note(path, 'expected a map with "type:" or a list of such, got an empty list')
            return [self.block(mark.kind, item, (*path, i)) for i, item in enumerate(value)]
        return self.block(mark.kind, value, path) if mark.form != 'named' else value

    def _unknown_type(self, kind: Kind, name: str, path: KeyPath) -> None:
        methods = _BUILT_IN.get(kind, ())
        names = registered.names_of(kind)
        own_way = not self.strict and any(registered.overrides(self.model_type, m) for m in methods)
        if own_way and not near_misspelling(name, names):
            return
        article = 'an' if kind[0] in 'aeo' else 'a'
        self.note(
            (*path, 'type'),
            f'there is no {kind} "{name}".{did_you_mean(name, names)} {article.title()} {kind} is one of: '
            f'{", ".join(names)}',
        )

    def _fit(self, signature: registered.Signature, value: dict[str, Any], name: str, path: KeyPath) -> None:
        for key in value:
            if key == 'type' or key in signature.known:
                continue
            meant = near_misspelling(key, signature.known) if signature.open else key
            if meant:
                self._unknown_key(key, signature.known, (*path, key), f' of {name}')
        for key in signature.required:
            if key not in value:
                self.note((*path, key), f'this key is missing; {name} needs it')

    def _unknown_keys(self, schema: type[Options], values: dict[str, Any], path: KeyPath) -> None:
        known = list(schema.model_fields)
        for key in values:
            if key in known:
                continue
            meant = near_misspelling(key, known)
            if meant and key == f'{meant}s' and isinstance(values[key], list):
                meant = None  # "scales: [2, 4]" is no slip of "scale: 2", but several of them.
            if self.strict or meant or _always_closed(schema):
                owner = values.get('type')
                self._unknown_key(key, known, (*path, key), f' of {owner}' if isinstance(owner, str) else '')

    def _unknown_key(self, key: str, known: typing.Sequence[str], path: KeyPath, owner: str) -> None:
        hint = did_you_mean(key, known) or f' There are: {", ".join(k for k in known if k != "type")}.'
        self.note(path, f'unknown key "{key}"{owner}.{hint}')


def _known_part(schema: type[Options], values: dict[str, Any]) -> dict[str, Any]:
    """The values without unknown keys, here and in maps inside."""
    known = {}
    for name, field in schema.model_fields.items():
        if name in values:
            inner, value = model_in(field.annotation), values[name]
            known[name] = (
                _known_part(inner, value) if inner is not None and isinstance(value, dict) else value
            )
    return known


def _always_closed(schema: type[Options]) -> bool:
    """A block that is passed to a constructor as keyword arguments; a stray key would only fail later."""
    if schema in CLOSED:
        return True
    kinds = {kind for (kind, _), model in BLOCKS.items() if model is schema}
    return bool(kinds) and not kinds & {'dataset', 'metric'}


def model_in(annotation: Any) -> type[Options] | None:
    """The model in ``Model`` or ``Model | None``."""
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, Options)), None)
