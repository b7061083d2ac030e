"""``--force_yml`` sets options without executing anything, new keys too."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.errors import OptionError
from cclgan_plugin.options.force import force_options
from cclgan_plugin.options.inherit import LoadedOptions, load_options


@pytest.fixture
def loaded(tmp_path: Path, write: Any) -> LoadedOptions:
    return load_options(write(tmp_path / 'a.yml', 'a: 1\nm: {x: 1, l: [1, 2]}\noff: ~\n'))


@pytest.mark.parametrize(
    ('entry', 'expected'),
    [
        ('a=2', {'a': 2}),
        ('a=1e-4', {'a': 1e-4}),
        ('a=null', {'a': None}),
        ('a=~', {'a': None}),
        ('a=true', {'a': True}),
        ('a="7"', {'a': '7'}),
        ('a=none', {'a': 'none'}),
        ('a=x=y=z', {'a': 'x=y=z'}),
        ('a = spaced out ', {'a': 'spaced out'}),
        ('a=C:\\data #1: x', {'a': 'C:\\data #1: x'}),
        ('a=*star', {'a': '*star'}),
        ('a=!!float 5e3', {'a': 5000.0}),
        ('m:x=3', {'m': {'x': 3, 'l': [1, 2]}}),
        ('m:l=[0.5, 0.999]', {'m': {'x': 1, 'l': [0.5, 0.999]}}),
        ('m={y: 1}', {'m': {'x': 1, 'l': [1, 2], 'y': 1}}),
        ('off:deep:new=1', {'off': {'deep': {'new': 1}}}),
        ('new={type: L1Loss, loss_weight: 1e1}', {'new': {'type': 'L1Loss', 'loss_weight': 10.0}}),
    ],
)
def test_values_are_yaml_and_keys_may_be_new(
    loaded: LoadedOptions, entry: str, expected: dict[str, Any]
) -> None:
    """Numbers, lists, maps, null; values with ``=``; maps merge."""
    before = load_options(loaded.file).values
    assert force_options(loaded, [entry]).values == before | expected
    assert loaded.values == before


def test_later_entries_win_and_places_are_the_arguments(loaded: LoadedOptions) -> None:
    """An error in a forced value names the argument."""
    forced = force_options(loaded, ['a=2', 'new:key=1', 'a=3'])
    assert forced.values['a'] == 3
    assert str(forced.place(('a',))) == '--force_yml a=3'
    assert str(forced.place(('new', 'other'))) == '--force_yml new:key=1'
    assert forced.place(('m', 'x')).line == 2


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ('a', 'expected KEY:KEY:...=VALUE'),
        ('=3', 'a key before the "=" is empty'),
        ('a::b=3', 'a key before the "=" is empty'),
        ('a=', 'no value after the "="'),
        ('a:b=3', '"a" is 1, not a map'),
        ('m:l:0=3', '"m:l" is a list; give it as a whole'),
        ('a=[1, 2', 'not valid YAML'),
        ('a={x: 1, x: 2}', 'the key "x" stands twice'),
        ('_base_=b.yml', '_base_ and _delete_ belong into options files'),
    ],
)
def test_errors_name_the_argument(loaded: LoadedOptions, entry: str, message: str) -> None:
    """Malformed entries are one OptionError that quotes them."""
    with pytest.raises(OptionError) as raised:
        force_options(loaded, [entry])
    assert str(raised.value).startswith(f'--force_yml {entry}')
    assert message in str(raised.value)


@pytest.mark.parametrize(
    'entry',
    [
        'a=[__import__("os").system("touch {0}")]',
        'a=__import__("os").system("touch {0}")',
        'a"]=__import__("os").system("touch {0}");opt["a=1',
        'a"];__import__("os").system("touch {0}");x=["=1',
        "a=!!python/object/apply:os.system ['touch {0}']",
        "a=[!!python/object/apply:os.system ['touch {0}']]",
    ],
)
def test_nothing_is_executed(loaded: LoadedOptions, tmp_path: Path, entry: str) -> None:
    """BasicSR ran keys through exec and lists through eval."""
    marker = tmp_path / 'executed'
    # Some are refused, some are ordinary text.
    with contextlib.suppress(OptionError):
        force_options(loaded, [entry.replace('{0}', str(marker))])
    assert not marker.exists()


def test_forced_keys_are_checked_like_those_of_the_file(tiny: Path, check: Any) -> None:
    """A new key may be forced if the schema knows it; a misspelt one gets its hint."""
    assert check(tiny, 'train:pool_size=50')['train']['pool_size'] == 50
    with pytest.raises(
        OptionError, match=r'--force_yml train:pol_size=50: train.pol_size: unknown key .*"pool_size"'
    ):
        check(tiny, 'train:pol_size=50')
