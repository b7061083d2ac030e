"""The tables of docs/options.md and the editors' schema, made from the schema that checks the options.

    python -m cclgan_plugin.options.describe table --update docs/options.md
    python -m cclgan_plugin.options.describe schema --update options/options.schema.json

``--check FILE`` says whether a file is up to date, by its exit code.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from cclgan_plugin.errors import run_as_command
from cclgan_plugin.marked_page import between_marks
from cclgan_plugin.options.editor_schema import editor_schema
from cclgan_plugin.options.schema import BLOCKS, BlockOf, CCLGANOptions, Options
from cclgan_plugin.options.schema.contrastive import (
    CONTRASTIVE_MAPS,
    ContrastiveOptions,
    ContrastiveTrainOptions,
)
from cclgan_plugin.options.schema.datasets import (
    BasicSRBackendOptions,
    IOBackendOptions,
    SyntheticRainOptions,
)
from cclgan_plugin.options.schema.groups import (
    CCLGANLoggerOptions,
    DistOptions,
    PathOptions,
    TrainOptions,
    ValOptions,
    WandbOptions,
)
from cclgan_plugin.options.schema.paired import PairedTrainOptions
from cclgan_plugin.options.walk import model_in

BEGIN = '<!-- options table: begin (made by python -m cclgan_plugin.options.describe) -->'
END = '<!-- options table: end -->'

_OTHER_MODELS = (
    'Any other model takes the same keys but `deterministic` and the networks that only CCLGAN has; its '
    '`scale` can be another number, its types are others, and it may read further keys.'
)
_BESIDE = 'What stands there beside the keys of the model that runs.'
_CONTRASTIVE = ('base_model_type', 'network_h')
_CONTRASTIVE_TRAIN = ('contrastive_opt', 'optim_h')

_GROUPS: tuple[tuple[str, type[Options]], ...] = (
    ('path', PathOptions),
    ('train', TrainOptions),
    ('val', ValOptions),
    ('logger', CCLGANLoggerOptions),
    ('logger.wandb', WandbOptions),
    ('dist_params', DistOptions),
)


def options_table() -> str:
    """Every option as Markdown: their titles, then one table for each map of the file, one for each type."""
    definitions = editor_schema()['$defs']

    def add(title: str, model: type[Options], text: str = '', only: Collection[str] = ()) -> None:
        names = only or model.model_fields
        text = text or _introduction(model)
        parts.append(_section(title, text, model, names, definitions[model.__name__]['properties']))

    parts: list[str] = []
    add('The top of the file (CCLGANModel)', CCLGANOptions, f'{_introduction(CCLGANOptions)} {_OTHER_MODELS}')
    for name, model in _GROUPS:
        add(f'`{name}`', model)
    shown: list[type[Options]] = []
    for (_, name), model in BLOCKS.items():
        if model not in shown:
            shown.append(model)
            add(f'`type: {name}`', model)
            if name == 'UnpairedImageDataset':
                add('`synthetic_rain`', SyntheticRainOptions)
                add('`io_backend`', IOBackendOptions)
            if name == 'PairedImageDataset':
                add("`io_backend` (BasicSR's datasets)", BasicSRBackendOptions)
    add('The top of the file (ContrastiveModel)', ContrastiveOptions, _BESIDE, _CONTRASTIVE)
    add('`train` (ContrastiveModel)', ContrastiveTrainOptions, _BESIDE, _CONTRASTIVE_TRAIN)
    for title, model in zip(('', '.intra_ccl', '.inter_ccl', '.lcl'), CONTRASTIVE_MAPS, strict=True):
        add(f'`train.contrastive_opt{title}` (ContrastiveModel)', model)
    add('`train` (PairedModel)', PairedTrainOptions)
    return '\n\n'.join([_contents(parts), *parts]) + '\n'


def _contents(parts: Sequence[str]) -> str:
    """A link to each section, by the anchors that GitHub gives to headings."""
    titles = [part.partition('\n')[0].removeprefix('## ') for part in parts]
    anchors = [re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles]
    return '\n'.join(f'- [{title}](#{anchor})' for title, anchor in zip(titles, anchors, strict=True))


def _introduction(model: type[Options]) -> str:
    """What a map's docstring says, in Markdown."""
    return inspect.cleandoc(model.__doc__ or '').replace('``', '`')


def _section(
    title: str, text: str, model: type[Options], names: Collection[str], properties: dict[str, Any]
) -> str:
    lines = [f'## {title}', '', *([text, ''] if text else [])]
    lines += ['| key | value | default | meaning |', '|---|---|---|---|']
    rows: list[tuple[list[str], str, str, str]] = []
    for name, field in model.model_fields.items():
        if name not in names or (name == 'type' and model in BLOCKS.values()):
            continue
        row = (_value(properties[name], field), _default(field), field.description or '')
        if rows and rows[-1][1:] == row:
            rows[-1][0].append(name)
        else:
            rows.append(([name], *row))
    return '\n'.join(
        lines + [f'| {_keys(names)} | {value} | {default} | {text} |' for names, value, default, text in rows]
    )


def _keys(names: list[str]) -> str:
    """``pretrain_network_g``, also ``_g_rain``, ``_d``: options that differ in the network alone."""
    first, *others = names
    stem = first.rpartition('_')[0]
    also = ', '.join(f'`{name.removeprefix(stem)}`' for name in others)
    return f'`{first}`' + (f', also {also}' if also else '')


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return '**required**'
    default = field.get_default()
    if default is None and field.default_factory is None:
        return '`~`'
    if model_in(field.annotation) is not None:
        return ''
    text = json.dumps(default) if not isinstance(default, str) else default
    return f'`{text}`'.replace('"', '')


def _value(prop: dict[str, Any], field: FieldInfo) -> str:
    """What a key takes, in words."""
    mark = next((m for m in field.metadata if isinstance(m, BlockOf)), None)
    if mark is not None:
        of = {'one': '', 'one_or_list': ' or list of such', 'named': ' for each name'}[mark.form]
        return f'block{of}: ' + (', '.join(f'`{name}`' for name in mark.ours) or 'anything registered')
    if model_in(field.annotation) is not None:
        return 'map, see below'
    return _in_words(prop)


def _in_words(prop: dict[str, Any]) -> str:
    if 'anyOf' in prop:
        return ' or '.join(words for words in map(_in_words, prop['anyOf']) if words)
    if 'enum' in prop or 'const' in prop:
        return ', '.join(f'`{value}`' for value in prop.get('enum', [prop.get('const')]))
    kind = prop.get('type')
    if kind == 'array':
        return f'list of {_in_words(prop["items"])}'
    words = {
        'string': 'text',
        'integer': 'whole number',
        'number': 'number',
        'boolean': '`true`, `false`',
        'null': '',
    }
    limits = {'minimum': '>=', 'exclusiveMinimum': '>', 'maximum': '<=', 'exclusiveMaximum': '<'}
    given = [f'{sign} {prop[key]:g}' for key, sign in limits.items() if key in prop and abs(prop[key]) < 1e6]
    return ' '.join([words[str(kind)], ', '.join(given)]).strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print, write or check; 1 = the checked file is out of date."""
    parser = argparse.ArgumentParser(
        prog='python -m cclgan_plugin.options.describe', description=__doc__.split('\n')[0]
    )
    parser.add_argument('what', choices=('table', 'schema'))
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        '--update', type=Path, metavar='FILE', help='write it there; the table between its two marks'
    )
    target.add_argument('--check', type=Path, metavar='FILE', help='compare with what is there')
    args = parser.parse_args(arguments)
    made = options_table() if args.what == 'table' else json.dumps(editor_schema(), indent=1) + '\n'
    file = args.update or args.check
    if file is None:
        sys.stdout.write(made)
        return 0
    old = file.read_text('utf-8') if file.exists() else ''
    new = between_marks(old, BEGIN, END, made, str(file)) if args.what == 'table' else made
    if args.update:
        file.write_text(new, 'utf-8')
    elif old != new:
        print(f'{file} is out of date: python -m cclgan_plugin.options.describe {args.what} --update {file}')
        return 1
    return 0


if __name__ == '__main__':
    run_as_command(main)
