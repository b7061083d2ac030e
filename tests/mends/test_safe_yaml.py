"""Options files are data: nothing in them runs, and a key stands once."""

from __future__ import annotations

import subprocess
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from basicsr.utils import options

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import safe_yaml


def test_code_in_yaml_runs_without_the_mend(tmp_path: Path) -> None:
    attack = f'name: !!python/object/apply:os.mkdir ["{tmp_path}/pwned"]'
    yaml.load(attack, Loader=options.ordered_yaml.unmended()[0])
    assert (tmp_path / 'pwned').is_dir()


def test_code_in_yaml_is_refused(tmp_path: Path) -> None:
    attack = f'name: !!python/object/apply:os.mkdir ["{tmp_path}/pwned"]'
    with pytest.raises(yaml.constructor.ConstructorError, match='python/object/apply'):
        yaml.load(attack, Loader=options.ordered_yaml()[0])
    assert not (tmp_path / 'pwned').exists()


def test_safe_loader_leaves_pyyaml_as_it_is() -> None:
    options.ordered_yaml()
    assert type(yaml.load('a: 1', Loader=yaml.CSafeLoader)) is dict


def test_mappings_keep_their_order_and_survive_a_round_trip() -> None:
    loader, dumper = options.ordered_yaml()
    loaded = yaml.load('b: 1\na: {d: [1, 2.5], c: ~}\n', Loader=loader)
    assert loaded == OrderedDict(b=1, a=OrderedDict(d=[1, 2.5], c=None))
    assert list(loaded) == ['b', 'a']
    assert yaml.load(yaml.dump(loaded, Dumper=dumper), Loader=loader) == loaded


def test_duplicate_keys_end_with_both_lines() -> None:
    text = 'train:\n  lr: 1\n  steps: 2\n  lr: 3\n'
    assert yaml.load(text, Loader=options.ordered_yaml.unmended()[0])['train']['lr'] == 3
    with pytest.raises(OptionError, match=r'line 4: the key "lr" stands here for the second time.*line 2'):
        yaml.load(text, Loader=options.ordered_yaml()[0])


def test_a_merged_key_may_be_overridden() -> None:
    text = 'base: &base {lr: 1, steps: 2}\nmine:\n  <<: *base\n  lr: 3\n'
    loaded = yaml.load(text, Loader=options.ordered_yaml()[0])
    assert loaded['mine'] == {'lr': 3, 'steps': 2}
    assert loaded['base'] == {'lr': 1, 'steps': 2}


def test_a_key_must_be_a_word() -> None:
    with pytest.raises(OptionError, match='line 1: a key must be a word'):
        yaml.load('? [a, b]\n: 1\n', Loader=options.ordered_yaml()[0])


def test_reader_of_the_development_version(tmp_path: Path) -> None:
    (tmp_path / 'a.yml').write_text('a: 1')
    assert safe_yaml.yaml_load(str(tmp_path / 'a.yml')) == {'a': 1} == safe_yaml.yaml_load('a: 1')


def test_importing_leaves_pyyaml_as_it_is(python: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    """BasicSR's own ``ordered_yaml`` would change the loader of everybody in the process."""
    result = python("""
import cclgan_plugin
import yaml
assert cclgan_plugin.load() is None
print(type(yaml.load('a: 1', Loader=yaml.CLoader)).__name__)
""")
    assert result.stdout.split() == ['dict'], result.stderr
