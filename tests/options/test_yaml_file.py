"""Options files are read safely, with YAML 1.2's numbers, and with the line of every key."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.errors import OptionError
from cclgan_plugin.options.place import Place
from cclgan_plugin.options.yaml_file import parse_value, read_yaml


def read(tmp_path: Path, text: str) -> Any:
    (tmp_path / 'a.yml').write_text(text, 'utf-8')
    return read_yaml(tmp_path / 'a.yml')


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('1e-4', 1e-4),
        ('1E5', 1e5),
        ('1.5e3', 1500.0),
        ('2.0e-4', 2e-4),
        ('-1e+2', -100.0),
        ('.5', 0.5),
        ('1.', 1.0),
        ('!!float 5e3', 5000.0),
        ('!!float 1', 1.0),
        ('80_000', 80000),
        ('0x10', 16),
        ('0o17', 15),
        ('-7', -7),
        ('010', '010'),
        ('1:30', '1:30'),
        ('2024-01-01', '2024-01-01'),
        ('true', True),
        ('no', False),
        ('Off', False),
        ('~', None),
        ('null', None),
        ('"1e-4"', '1e-4'),
        ("'~'", '~'),
        ('e5', 'e5'),
        ('1e', '1e'),
        ('[1, 1e1, a]', [1, 10.0, 'a']),
        ('-.inf', -math.inf),
    ],
)
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: Any) -> None:
    """``1e-4`` is a number everywhere; dates, sexagesimals and leading zeros stay text."""
    for got in (read(tmp_path, f'a: {text}\n').values['a'], parse_value(text, '--force_yml')):
        assert got == value
        assert type(got) is type(value)


def test_every_key_and_list_element_has_its_line(tmp_path: Path) -> None:
    """Places are known down to list elements."""
    file = read(tmp_path, 'a: 1\nb:\n  c:\n    - x\n    - y: 2\n')
    lines = {path: place.line for path, place in file.places.items()}
    assert lines == {
        (): 1,
        ('a',): 1,
        ('b',): 2,
        ('b', 'c'): 3,
        ('b', 'c', 0): 4,
        ('b', 'c', 1): 5,
        ('b', 'c', 1, 'y'): 5,
    }
    assert str(file.places[('a',)]) == f'{tmp_path / "a.yml"}:1'
    assert str(Place('--force_yml a=1')) == '--force_yml a=1'


def test_anchors_and_merge_keys_work_and_own_keys_win(tmp_path: Path) -> None:
    """``<<: *defaults`` gives defaults, and places follow who won."""
    file = read(tmp_path, 'base: &b\n  x: 1\n  y: {z: 1}\nuse:\n  y: 3\n  <<: *b\n')
    assert file.values['use'] == {'x': 1, 'y': 3}
    assert file.places[('use', 'y')].line == 5
    assert file.places[('use', 'x')].line == 2
    assert ('use', 'y', 'z') not in file.places


def test_aliases_do_not_share_containers(tmp_path: Path) -> None:
    """BasicSR pops keys from its options; one optimizer's must not be another's."""
    values = read(tmp_path, 'a: &a {type: Adam}\nb: *a\n').values
    assert values['a'] == values['b']
    assert values['a'] is not values['b']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: 1\nb: 2\na: 3\n', 'a.yml:3: the key "a" stands twice in one map: in line 1 and in line 3'),
        ('a:\n  b: 1\n  b: 2\n', 'a.yml:3: the key "b" stands twice in one map: in line 2 and in line 3'),
        ('a: 1\n  b: 2\n', 'a.yml:2: not valid YAML: mapping values are not allowed here'),
        ('a: [1, 2\nb: 3\n', 'a.yml:2: not valid YAML'),
        ('a:\n\tb: 1\n', 'indent with spaces, not tabs'),
        ('a: "x\n', 'not valid YAML'),
        ('a: &x [*x]\n', 'a.yml:1: an alias (*name) refers to a map or list that it is part of'),
        ('a: *x\n', 'a.yml:1: not valid YAML: found undefined alias'),
        ('a: 1\n---\nb: 2\n', 'a.yml:2: not valid YAML: but found another document'),
        ('', 'a.yml: the file is empty'),
        ('# only a comment\n', 'a.yml: the file is empty'),
        ('- a\n- b\n', 'a.yml:1: expected a map of keys ("name: ..."), got a list'),
        ('hello\n', 'a.yml:1: expected a map of keys ("name: ..."), got "hello"'),
        ('1: a\n', "a.yml:1: a key must be text, got '1'; put it in quotes if it is meant"),
        ('~: a\n', "a key must be text, got '~'"),
        ('[a]: b\n', 'a key must be text, got a list'),
        ('a: !!int x\n', 'a.yml:1: "x" is not a value of the type !!int'),
        ('a: !!set {x}\n', 'the tag !!set is not allowed'),
        ('a: !mine 1\n', 'a.yml:1: the tag !mine is not allowed'),
        ('a: 1\nb: \x00\n', 'a.yml:2: not a text file'),
        ('<<: 3\n', '"<<" takes a map or a list of maps, got "3"'),
        ('a: ' + '[' * 3000 + '\n', 'lists or maps are nested too deeply'),
        ('a: ' + '[' * 150 + ']' * 150 + '\n', 'lists or maps are nested too deeply'),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    """Syntax errors, duplicates and foreign tags are one OptionError each."""
    with pytest.raises(OptionError) as raised:
        read(tmp_path, text)
    assert message in str(raised.value)


def test_aliases_cannot_fill_the_memory(tmp_path: Path) -> None:
    """A "billion laughs" file is refused."""
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    lines += [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 10)]
    with pytest.raises(OptionError, match='blow the file up'):
        read(tmp_path, '\n'.join(lines))


def test_files_that_are_no_options_files(tmp_path: Path) -> None:
    """Missing (with a hint), a folder, not UTF-8."""
    (tmp_path / 'train_cclgan.yml').write_text('a: 1\n')
    with pytest.raises(
        OptionError, match=r'there is no such options file. Did you mean "train_cclgan.yml"\?'
    ):
        read_yaml(tmp_path / 'train_ccgan.yml')
    with pytest.raises(OptionError, match='there is no such options file'):
        read_yaml(tmp_path / 'nowhere' / 'a.yml')
    with pytest.raises(OptionError, match='this is a folder'):
        read_yaml(tmp_path)
    (tmp_path / 'latin.yml').write_bytes(b'a: 1\nb: \xe9t\xe9\n')
    with pytest.raises(OptionError, match=r'latin.yml:2: not UTF-8 text'):
        read_yaml(tmp_path / 'latin.yml')
    (tmp_path / 'bom.yml').write_bytes(b'\xef\xbb\xbfa: \xc3\xa9\r\n')
    assert read_yaml(tmp_path / 'bom.yml').values == {'a': 'é'}


@pytest.mark.parametrize(
    'text',
    [
        "a: !!python/object/apply:os.system ['touch {0}']",
        "a: !!python/object/apply:subprocess.check_output [['touch', '{0}']]",
        "a: !!python/object/new:type\n  args: ['z', [], {{}}]\n  listitems: !!python/name:eval\n",
        'a: !!python/name:os.system',
        'a: !!python/module:os',
        "? !!python/object/apply:os.system ['touch {0}']\n: 1",
        "[!!python/object/apply:os.system ['touch {0}']]: 1",
        "a: &x !!python/object/apply:os.system ['touch {0}']\nb: *x",
        "a:\n  <<: !!python/object/apply:os.system ['touch {0}']",
        "!!python/object/apply:os.system ['touch {0}']",
    ],
)
def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, text: str) -> None:
    """No tag of Python's reaches a constructor (BasicSR #768)."""
    marker = tmp_path / 'executed'
    with pytest.raises(OptionError):
        read(tmp_path, text.format(marker))
    with pytest.raises(OptionError):
        parse_value(f"!!python/object/apply:os.system ['touch {marker}']", '--force_yml')
    assert not marker.exists()
