"""The JSON schema of options files: completion, hints and red lines in editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from cclgan_plugin.options.inherit import BASE_KEY, DELETE_KEY
from cclgan_plugin.options.schema import (
    BLOCKS,
    BlockOf,
    CCLGANOptions,
    ContrastiveOptions,
    Kind,
    OtherOptions,
    PairedOptions,
)

_TEXT: dict[str, Any] = {'type': 'string'}


def editor_schema() -> dict[str, Any]:
    """The schema, as JSON Schema 2020-12.

    Files that inherit say only a part of what a run needs, so nothing is required here; what is missing is
    for the check at the start of a run to say. Without ``model_type``, CCLGANModel is taken.
    """
    definitions: dict[str, Any] = {}
    roots: list[type[BaseModel]] = [CCLGANOptions, ContrastiveOptions, PairedOptions, OtherOptions]
    models = [*roots, *BLOCKS.values()]
    for model in models:
        _define(model, definitions)
    for kind in sorted({kind for kind, _ in BLOCKS}):
        definitions[f'{kind} block'] = _any_block(kind)
    _relax(definitions)
    own = {'const': 'net_g', 'description': 'the generator itself'}
    lcl = definitions['ContrastiveLCLOptions']['properties']
    lcl['encoder'] = {'anyOf': [own, *lcl['encoder'].pop('anyOf')], **lcl['encoder']}
    # Other models may read more than is known here.
    open_trains = ('OtherTrainOptions', 'ContrastiveTrainOptions')
    for name in ('OtherOptions', 'ContrastiveOptions', 'PairedOptions', *open_trains):
        definitions[name]['additionalProperties'] = True
    for key in ('datasets', 'path', 'val', 'logger', 'dist_params'):
        for root in ('OtherOptions', 'ContrastiveOptions', 'PairedOptions'):
            definitions[root]['properties'][key] = {'type': ['object', 'null']}
    for model in roots:
        files = {'anyOf': [_TEXT, {'type': 'array', 'items': _TEXT}]}
        definitions[model.__name__]['properties'][BASE_KEY] = files | {'description': 'file(s) to start from'}
    return {
        '$schema': 'https://json-schema.org/draft/2020-12/schema',
        'title': 'Options of CCLGAN and of other BasicSR models',
        'type': 'object',
        'if': {'properties': {'model_type': {'const': 'CCLGANModel'}}},
        'then': {'$ref': '#/$defs/CCLGANOptions'},
        'else': {
            'if': {'properties': {'model_type': {'const': 'ContrastiveModel'}}, 'required': ['model_type']},
            'then': {'$ref': '#/$defs/ContrastiveOptions'},
            'else': {
                'if': {'properties': {'model_type': {'const': 'PairedModel'}}, 'required': ['model_type']},
                'then': {'$ref': '#/$defs/PairedOptions'},
                'else': {'$ref': '#/$defs/OtherOptions'},
            },
        },
        '$defs': dict(sorted(definitions.items())),
    }


def _define(model: type[BaseModel], definitions: dict[str, Any]) -> None:
    """Add a model, and the models inside it, to the definitions."""
    made = model.model_json_schema(ref_template='#/$defs/{model}')
    inner = made.pop('$defs', {})
    definitions.update({**inner, model.__name__: made})
    for candidate in _models_in(model):
        properties = definitions[candidate.__name__]['properties']
        for name, field in candidate.model_fields.items():
            mark = next((m for m in field.metadata if isinstance(m, BlockOf)), None)
            if mark is not None:
                properties[name] = {'description': field.description, **_reference(mark, field.is_required())}


def _models_in(model: type[BaseModel]) -> list[type[BaseModel]]:
    from cclgan_plugin.options.walk import model_in

    found = [model]
    for field in model.model_fields.values():
        inner = model_in(field.annotation)
        if inner is not None:
            found += _models_in(inner)
    return found


def _reference(mark: BlockOf, required: bool) -> dict[str, Any]:
    one = {'$ref': f'#/$defs/{mark.kind} block'}
    choices: list[dict[str, Any]] = [one]
    if mark.form == 'named':
        choices = [{'type': 'object', 'additionalProperties': {'anyOf': [one, {'type': 'null'}]}}]
    if mark.form == 'one_or_list':
        choices.append({'type': 'array', 'items': one, 'minItems': 1})
    if not required:
        choices.append({'type': 'null'})
    return choices[0] if len(choices) == 1 else {'anyOf': choices}


def _any_block(kind: Kind) -> dict[str, Any]:
    names = sorted(name for known, name in BLOCKS if known == kind)
    models = sorted({model.__name__ for (known, _), model in BLOCKS.items() if known == kind})
    other = {
        'type': 'object',
        'description': 'registered by BasicSR or another package',
        'properties': {'type': _TEXT | {'not': {'enum': names}}},
        'required': ['type'],
    }
    return {'anyOf': [*({'$ref': f'#/$defs/{model}'} for model in models), other]}


def _relax(value: Any) -> None:
    """Drop titles and what is required; allow ``_delete_`` in every map."""
    if isinstance(value, list):
        for item in value:
            _relax(item)
    if not isinstance(value, dict):
        return
    if isinstance(value.get('title'), str):
        del value['title']
    if isinstance(value.get('properties'), dict) and value.get('additionalProperties') is False:
        value.pop('required', None)
        value['properties'][DELETE_KEY] = {'const': True, 'description': 'drop what was inherited here'}
    for item in value.values():
        _relax(item)
