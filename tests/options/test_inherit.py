"""``_base_``: files build on each other through mmengine's Config, and lines follow who wrote a key last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.errors import OptionError
from cclgan_plugin.options.inherit import load_options


def test_maps_merge_and_everything_else_is_replaced(tmp_path: Path, write: Any) -> None:
    """Key by key for maps; lists and scalars whole; ``~`` switches off; off can be switched on again."""
    write(
        tmp_path / 'base.yml',
        'a: {x: 1, y: {z: 2}}\nlist: [1, 2]\noff: {t: 1}\non: ~\nmixed: [1]\n',
    )
    child = write(
        tmp_path / 'child.yml',
        '_base_: base.yml\na:\n  y:\n    w: 3\nlist: [3]\noff: ~\non: {t: 2}\nmixed: {t: 3}\n',
    )
    assert load_options(child).values == {
        'a': {'x': 1, 'y': {'z': 2, 'w': 3}},
        'list': [3],
        'off': None,
        'on': {'t': 2},
        'mixed': {'t': 3},
    }


def test_lines_follow_the_file_that_set_the_key_last(tmp_path: Path, write: Any) -> None:
    """An error in an inherited key points at the base, in an overridden one at the child."""
    base = write(tmp_path / 'base.yml', 'a: {x: 1, y: 2}\nlist:\n  - 1\n  - 2\n')
    child = write(tmp_path / 'child.yml', '_base_: base.yml\na:\n  y: 3\nlist: [4]\n')
    loaded = load_options(child)
    assert str(loaded.place(('a', 'x'))) == f'{base}:1'
    assert str(loaded.place(('a', 'y'))) == f'{child}:3'
    assert str(loaded.place(('list', 0))) == f'{child}:4'
    # The second element is gone; the nearest place is the list.
    assert str(loaded.place(('list', 1))) == f'{child}:4'
    assert str(loaded.place(('a', 'new'))) == f'{child}:2'


def test_delete_starts_a_map_afresh(tmp_path: Path, write: Any) -> None:
    """``_delete_: true`` drops what was inherited, and is no option itself, wherever it stands."""
    write(tmp_path / 'base.yml', 'scheduler: {type: A, start: 1}\n')
    child = write(
        tmp_path / 'child.yml',
        '_base_: base.yml\nscheduler: {_delete_: true, type: B}\n'
        'new: {_delete_: true, x: {_delete_: true, y: 1}}\n',
    )
    loaded = load_options(child)
    assert loaded.values == {'scheduler': {'type': 'B'}, 'new': {'x': {'y': 1}}}
    assert ('scheduler', 'start') not in loaded.places


def test_several_bases_later_ones_win_and_paths_are_relative_to_each_file(tmp_path: Path, write: Any) -> None:
    """A list of bases, in other folders, with bases of their own."""
    write(tmp_path / 'common' / 'root.yml', 'a: 1\nb: 1\nc: 1\nd: 1\n')
    write(tmp_path / 'common' / 'first.yml', '_base_: root.yml\nb: 2\nc: 2\n')
    write(tmp_path / 'second.yml', 'c: 3\nd: 3\n')
    child = write(tmp_path / 'runs' / 'child.yml', '_base_: [../common/first.yml, ../second.yml]\nd: 4\n')
    assert load_options(child).values == {'a': 1, 'b': 2, 'c': 3, 'd': 4}


def test_names_that_config_reserves_are_ordinary_keys(tmp_path: Path, write: Any) -> None:
    """mmengine keeps "text" and "filename" for itself at its top, and splits keys with dots."""
    write(tmp_path / 'base.yml', 'text: 1\nitems: 2\nx.y: 3\n')
    child = write(tmp_path / 'child.yml', '_base_: base.yml\nfilename: 4\n')
    assert load_options(child).values == {'text': 1, 'items': 2, 'x.y': 3, 'filename': 4}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            '_base_: bsae.yml\n',
            r'child.yml:1: _base_: there is no file .*bsae.yml. Did you mean "base.yml"\?',
        ),
        ('_base_: 3\n', 'child.yml:1: _base_: expected the name of a file or a list of such, got 3'),
        ('_base_: ~\n', 'got None'),
        ('_base_: child.yml\n', 'inherit from each other in a circle: child.yml -> child.yml'),
        ('_base_: loop.yml\n', 'in a circle: child.yml -> loop.yml -> child.yml'),
        ('a:\n  _base_: base.yml\n', 'child.yml:2: _base_ belongs at the top of the file, not into "a"'),
        ('a:\n  _delete_: yes please\n', 'child.yml:2: _delete_ takes only "true"'),
        ('_delete_: true\n', '_delete_ takes only "true", and stands inside a map'),
    ],
)
def test_misuse_is_named(tmp_path: Path, write: Any, text: str, message: str) -> None:
    """Missing and circular bases, and special keys in the wrong place."""
    write(tmp_path / 'base.yml', 'a: 1\n')
    write(tmp_path / 'loop.yml', '_base_: child.yml\n')
    with pytest.raises(OptionError, match=message):
        load_options(write(tmp_path / 'child.yml', text))


def test_a_base_is_read_by_the_safe_reader(tmp_path: Path, write: Any) -> None:
    """mmengine's own reader would run what is in a base; it is never asked."""
    marker = tmp_path / 'executed'
    write(tmp_path / 'base.yml', f"a: !!python/object/apply:os.system ['touch {marker}']\n")
    with pytest.raises(OptionError, match=r'base.yml:1: the tag'):
        load_options(write(tmp_path / 'child.yml', '_base_: base.yml\n'))
    assert not marker.exists()
