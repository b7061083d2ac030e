"""The zoo's data file, and the pages made from it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

import cclgan_plugin
from cclgan_plugin.cli.main import main
from cclgan_plugin.errors import WeightsError
from cclgan_plugin.inference.built_network import build_network
from cclgan_plugin.inference.weights_file import read_weights
from cclgan_plugin.zoo import pages
from cclgan_plugin.zoo.cache import is_right, place_of
from cclgan_plugin.zoo.index import load_index

ZOO = Path(cclgan_plugin.__file__).parent / 'zoo'
ROOT = ZOO.parents[1]


def test_the_pages_of_the_checkout_are_up_to_date():
    assert pages.main(['--check']) == 0


def test_the_default_ships_with_the_package_and_is_small():
    index = load_index(ZOO / 'models.yml')
    (default,) = (entry for entry in index.models if entry.name == index.default)
    assert default.package
    assert default.size < 4_000_000
    assert is_right(default, place_of(default))
    build_network(read_weights(place_of(default)), default.name)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ZOO / 'weights', tmp_path / 'zoo/weights')
    for file in (ZOO / 'models.yml',):
        shutil.copy(file, tmp_path / 'zoo')
    for name in ('MODEL_ZOO.md', 'model-index.yml'):
        shutil.copy(ROOT / name, tmp_path)
    return ['--root', str(tmp_path), '--data', str(tmp_path / 'zoo/models.yml')]


def test_new_weights_are_noticed_and_entered_by_one_command(copy, tmp_path, capsys):
    assert pages.main(['--check', *copy]) == 0
    text = (tmp_path / 'zoo/models.yml').read_text()
    for file in (tmp_path / 'zoo/weights').iterdir():
        file.write_bytes(file.read_bytes() + b'\n')
    assert pages.main(['--check', *copy]) == 1
    assert 'models.yml is out of date' in capsys.readouterr().out
    assert (tmp_path / 'zoo/models.yml').read_text() == text
    assert pages.main(['--update', *copy]) == 0
    assert pages.main(['--check', *copy]) == 0
    entry = load_index(tmp_path / 'zoo/models.yml').models[0]
    assert entry.size == (tmp_path / 'zoo' / entry.package).stat().st_size
    assert entry.sha256 in (tmp_path / 'MODEL_ZOO.md').read_text()


def test_what_is_written_by_hand_stays(copy, tmp_path):
    page = tmp_path / 'MODEL_ZOO.md'
    page.write_text(page.read_text() + 'By hand.\n')
    changed = (tmp_path / 'zoo/models.yml').read_text().replace('licence: Apache-2.0', 'licence: MIT')
    (tmp_path / 'zoo/models.yml').write_text(changed)
    pages.main(['--update', *copy])
    assert page.read_text().endswith('By hand.\n')
    assert '| MIT |' in page.read_text()


def test_model_index_has_openmmlabs_form():
    found = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert {collection['Name'] for collection in found['Collections']} == {'CCLGAN'}
    for model in found['Models']:
        assert model['In Collection'] == 'CCLGAN'
        assert {'Training Data', 'License', 'SHA256'} <= model['Metadata'].keys()
        assert model['Weights'].startswith(('cclgan://', 'http'))
        assert 'Config' not in model or (ROOT / model['Config']).is_file()


ENTRY = {
    'name': 'a',
    'summary': 's',
    'task': 'deraining',
    'training_data': 't',
    'package': 'weights/a.safetensors',
    'size': 1,
    'sha256': '0' * 64,
    'licence': 'l',
}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'sha256': 'abc'}, 'models.0.sha256'),
        ({'size': 0}, 'models.0.size'),
        ({'nmae': 'x'}, 'models.0.nmae: Extra inputs'),
        ({'file': 'a.safetensors'}, 'give either "package"'),
        ({'package': None}, 'give either "package"'),
        ({'package': '../a.safetensors'}, 'must lead below'),
        ({'package': None, 'file': 'x/../../a.safetensors'}, 'models.0.file'),
        ({'package': None, 'file': 'a.pth'}, 'models.0.file'),
        ({'package': None, 'file': 'a.safetensors', 'urls': ['ftp://x']}, 'models.0.urls.0'),
        ({'name': 'b'}, 'there is no model "a"'),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, changes, message):
    file = tmp_path / 'index.yml'
    entry = {key: value for key, value in {**ENTRY, **changes}.items() if value is not None}
    file.write_text(yaml.safe_dump({'default': 'a', 'models': [entry]}))
    with pytest.raises(WeightsError, match=message):
        load_index(file)


@pytest.mark.parametrize('text', ['[', '!!python/object/apply:os.system [exit]', 'models: 3'])
def test_a_broken_index_is_one_clear_error(tmp_path, text):
    (tmp_path / 'index.yml').write_text(text)
    with pytest.raises(WeightsError, match=r'index\.yml'):
        load_index(tmp_path / 'index.yml')


def test_the_commands_of_a_training_can_be_copied(capsys):
    assert main(['zoo', 'show', 'derain-small']) == 0
    shown = capsys.readouterr().out.splitlines()
    (entry,) = (e for e in load_index(ZOO / 'models.yml').models if e.name == 'derain-small')
    assert entry.trained_by
    assert all(f'trained_by: {command}' in shown for command in entry.trained_by)


def test_the_list_gives_licences_in_short(capsys):
    assert main(['zoo', 'list']) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines[0].index('licence')
    assert [line[start:].split('  ')[0] for line in lines[1:]] == [
        'research only',
        'research only',
        'Apache-2.0',
    ]


def test_the_command(zoo, capsys, server):
    assert main(['zoo', 'list']) == 0
    heading, line = (row.split() for row in capsys.readouterr().out.splitlines())
    assert heading == ['name', 'size', 'place', 'licence', 'what', 'it', 'is']
    assert line == ['far', '0.05', 'MB', 'not', 'here', 'none', 'far', 'away', '(default)']
    assert main(['zoo', 'show', 'far']) == 0
    assert f'address: {server.address}/far.safetensors' in capsys.readouterr().out
    assert main(['zoo', 'verify', 'far']) == 1
    assert 'not on this machine' in capsys.readouterr().out
    assert main(['zoo', 'download', 'far']) == 0
    capsys.readouterr()
    assert main(['zoo', 'path', 'cclgan://far']) == 0
    assert capsys.readouterr().out == f'{zoo}/far.safetensors\n'
    assert main(['zoo', 'verify']) == 0
    (zoo / 'far.safetensors').write_bytes(b'?')
    assert main(['zoo', 'verify']) == 1
    assert 'not the right file' in capsys.readouterr().out
    assert main(['zoo', 'show', 'fra']) == 2
    assert 'Did you mean "far"' in capsys.readouterr().err
