"""The README's table and the editors' schema come from the schema that checks, and are up to date."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.errors import DataError
from cclgan_plugin.options.describe import BEGIN, END, main, options_table
from cclgan_plugin.options.editor_schema import editor_schema
from cclgan_plugin.options.inherit import load_options
from cclgan_plugin.options.schema import BLOCKS, CCLGANOptions
from cclgan_plugin.options.yaml_file import read_yaml

ROOT = Path(__file__).parents[2]


def test_the_table_names_every_key_of_the_paper_s_file() -> None:
    """Whatever train_cclgan.yml holds is explained."""
    table = options_table()

    def keys(values: dict[str, Any]) -> Iterator[str]:
        for key, value in values.items():
            yield key
            if isinstance(value, dict):
                yield from keys(value)

    names_of_ones_own = {'train', 'val', 'psnr', 'ssim', 'type'}
    for key in set(keys(load_options(ROOT / 'options' / 'train_cclgan.yml').values)) - names_of_ones_own:
        assert f'`{key}`' in table, key


def test_the_table_gives_types_limits_and_defaults() -> None:
    """Three rows as they should read."""
    lines = options_table().splitlines()
    assert '| `gt_size` | whole number >= 32 | `256` | side of the random square crop in pixels |' in lines
    assert any(line.startswith('| `total_iter` | whole number >= 1 | **required** |') for line in lines)
    assert any(
        line.startswith(
            '| `pretrain_network_g`, also `_g_rain`, `_d`, `_d_rain`, `_h`, `_h_rain` | text | `~` |'
        )
        for line in lines
    )
    assert all(line.count('|') == 5 for line in lines if line.startswith('|') and '---' not in line)


def test_maps_that_can_be_left_out_and_the_further_sections() -> None:
    """An optional map is off by default; synthetic_rain and ContrastiveModel's own keys have sections."""
    table = options_table()
    assert '| `synthetic_rain` | map, see below | `~` |' in table
    assert '| `logger` | map, see below |  |' in table
    for title in (
        'The top of the file (CCLGANModel)',
        '`synthetic_rain`',
        'The top of the file (ContrastiveModel)',
        '`train` (ContrastiveModel)',
    ):
        assert f'\n## {title}\n' in table
    own = table.partition('\n## The top of the file (ContrastiveModel)\n')[2].partition('\n## ')[0]
    assert [row.split('`')[1] for row in own.splitlines() if row.startswith('| `')] == [
        'base_model_type',
        'network_h',
    ]


def test_update_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table goes between its marks; what is around it stays; an old one is noticed."""
    readme = tmp_path / 'README.md'
    readme.write_text(f'# Title\n\n{BEGIN}\nold\n{END}\n\nrest\n')
    assert main(['table', '--check', str(readme)]) == 1
    assert 'out of date' in capsys.readouterr().out
    assert main(['table', '--update', str(readme)]) == 0
    assert main(['table', '--check', str(readme)]) == 0
    text = readme.read_text()
    assert text.startswith('# Title\n')
    assert text.endswith('\nrest\n')
    assert '`gt_size`' in text
    (tmp_path / 'bare.md').write_text('nothing')
    with pytest.raises(DataError, match='expected exactly one line'):
        main(['table', '--update', str(tmp_path / 'bare.md')])


def test_the_shipped_editor_schema_is_current() -> None:
    """options/options.schema.json is what the code makes."""
    assert main(['schema', '--check', str(ROOT / 'options' / 'options.schema.json')]) == 0


def test_it_runs_as_a_command_without_loading_the_plugin() -> None:
    """``python -m cclgan_plugin.options.describe`` needs neither torch nor BasicSR."""
    code = (
        'import sys, runpy; sys.argv = ["basicsr"]; import cclgan_plugin\n'
        'sys.argv = ["describe", "table"]; \n'
        'try: runpy.run_module("cclgan_plugin.options.describe", run_name="__main__")\n'
        'except SystemExit as end: assert not end.code\n'
        'assert "torch" not in sys.modules and "basicsr" not in sys.modules'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert '`gt_size`' in result.stdout


class Judge:
    """As much of JSON Schema as the editor schema uses."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def accepts(self, value: Any, schema: dict[str, Any] | None = None) -> bool:
        schema = self.schema if schema is None else schema
        if '$ref' in schema:
            definition = self.schema['$defs'][schema['$ref'].removeprefix('#/$defs/')]
            return self.accepts(value, definition)
        if 'if' in schema:
            return self.accepts(value, schema['then' if self.accepts(value, schema['if']) else 'else'])
        checks = [self._accepts_type(value, schema)] if 'type' in schema else []
        if 'anyOf' in schema:
            checks.append(any(self.accepts(value, choice) for choice in schema['anyOf']))
        if 'const' in schema:
            checks.append(value == schema['const'])
        if 'enum' in schema:
            checks.append(value in schema['enum'])
        if 'not' in schema:
            checks.append(not self.accepts(value, schema['not']))
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            checks.append(value >= schema.get('minimum', value))
            checks.append('exclusiveMinimum' not in schema or value > schema['exclusiveMinimum'])
        if isinstance(value, dict):
            checks += [key in value for key in schema.get('required', ())]
            checks += [self._accepts_entry(key, item, schema) for key, item in value.items()]
        if isinstance(value, list) and 'items' in schema:
            checks += [self.accepts(item, schema['items']) for item in value]
        return all(checks)

    def _accepts_entry(self, key: str, item: Any, schema: dict[str, Any]) -> bool:
        if key in schema.get('properties', {}):
            return self.accepts(item, schema['properties'][key])
        extra = schema.get('additionalProperties', True)
        return extra if isinstance(extra, bool) else self.accepts(item, extra)

    @staticmethod
    def _accepts_type(value: Any, schema: dict[str, Any]) -> bool:
        kinds: dict[str, Any] = {'string': str, 'integer': int, 'number': (int, float), 'boolean': bool}
        kinds |= {'array': list, 'object': dict, 'null': type(None)}
        names = schema['type'] if isinstance(schema['type'], list) else [schema['type']]
        return any(
            isinstance(value, kinds[name]) and (name == 'boolean' or not isinstance(value, bool))
            for name in names
        )


@pytest.mark.parametrize('path', sorted((ROOT / 'options').glob('*.yml')), ids=lambda path: path.name)
def test_editors_accept_the_shipped_files(path: Path) -> None:
    """No red line in a file that is right, also in one that inherits."""
    assert Judge(editor_schema()).accepts(read_yaml(path).values)


@pytest.mark.parametrize(
    'wrong',
    [
        {'nmae': 'x'},
        {'name': 3},
        {'num_gpu': 'all'},
        {'train': {'total_iter': 0}},
        {'train': {'gan_otp': {}}},
        {'train': {'lcl_opt': {'type': 'LCLLoss', 'layer': ['down1']}}},
        {
            'train': {
                'intra_ccl_opt': {'type': 'IntraCCLLoss', 'encoder': [{'type': 'CLIPEncoder', 'modle': 'x'}]}
            }
        },
        {'datasets': {'train': {'type': 'UnpairedImageDataset', 'gt_size': 16}}},
        {'model_type': 'SRModel', 'train': {'total_iter': 'x'}},
    ],
    ids=str,
)
def test_editors_mark_what_is_wrong(wrong: dict[str, Any]) -> None:
    """Misspelt keys, wrong types and values out of range."""
    assert not Judge(editor_schema()).accepts(wrong)


def test_editors_let_other_models_and_types_be() -> None:
    """Keys of a third party, other registered types, ``_delete_``."""
    judge = Judge(editor_schema())
    assert judge.accepts(
        {'model_type': 'Mine', 'mine': 1, 'datasets': {'train': {'type': 'Mine'}}, 'train': {'x_opt': 1}}
    )
    assert judge.accepts(
        {'network_g': {'type': 'SwinIR', 'upscale': 1}, 'train': {'scheduler': {'_delete_': True}}}
    )


def test_every_known_type_is_in_the_editor_schema() -> None:
    """For completion."""
    definitions = editor_schema()['$defs']
    for (kind, _), model in BLOCKS.items():
        assert {'$ref': f'#/$defs/{model.__name__}'} in definitions[f'{kind} block']['anyOf']
    assert set(CCLGANOptions.model_fields) | {'_base_', '_delete_'} == set(
        definitions['CCLGANOptions']['properties']
    )
    json.dumps(editor_schema())
