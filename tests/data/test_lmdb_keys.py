"""Every image gets a key of its own that BasicSR can read and that leads back to its name."""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes

import pytest

from cclgan_plugin.data.lmdb_keys import LONGEST, lmdb_keys, sub_image_key


def name_of_key(key: str) -> str:
    """The way back that the documentation describes."""
    return os.fsdecode(unquote_to_bytes(key.partition('~')[0]))


ODD_NAMES = [
    'a.png',
    'street/a.png',
    'c.d.png',
    'c.png',
    'summer day.jpg',
    'Straße/雨 の 日.webp',
    '100%.png',
    '100%25.png',
    'a~y0x0.png',
    '..hidden.png',
    'tab\there.png',
    'new\nline.png',
    os.fsdecode(b'latin1-\xe9.png'),
]


def test_the_table_of_the_documentation() -> None:
    names = ['a.png', 'street/a.png', 'c.d.png', 'summer day.jpg', 'Straße.jpg', 'b.jpg', 'b.png']
    assert lmdb_keys(names) == [
        'a',
        'street/a',
        'c%2Ed',
        'summer%20day',
        'Stra%C3%9Fe',
        'b%2Ejpg',
        'b%2Epng',
    ]
    assert sub_image_key('a', 0, 240) == 'a~y0x240'


def test_odd_names_have_keys_that_basicsr_can_cut_out_of_a_line_and_encode() -> None:
    keys = lmdb_keys(ODD_NAMES)
    assert len(set(keys)) == len(ODD_NAMES)
    for key in keys:
        assert f'{key}.png (1,2,3)'.split('.')[0] == key
        assert key.encode('ascii')
        assert not set(key) & set(' \t\n')


def test_keys_lead_back_to_names() -> None:
    for name, key in zip(ODD_NAMES, lmdb_keys(ODD_NAMES), strict=True):
        assert name_of_key(key) == os.path.splitext(name)[0]
        assert name_of_key(sub_image_key(key, 3, 4)) == os.path.splitext(name)[0]


@pytest.mark.parametrize(
    'names',
    [
        ['a.png', 'a.jpg', 'a.png.png'],
        ['a.png', 'a.PNG', 'a%2Epng.jpg', 'a.png.jpg', 'a.png.png'],
        ['a', 'a.png', 'a.png.png', 'a.png.png.png', 'a.jpg'],
    ],
)
def test_names_that_differ_in_the_extension_only_stay_apart(names: list[str]) -> None:
    assert len(set(lmdb_keys(names))) == len(names)


def test_long_names_fit_and_stay_apart() -> None:
    names = ['雨' * 80 + f'{i}/' + '雨' * 80 + f'{j}.png' for i in range(2) for j in range(2)]
    names += ['a/' * 300 + 'b.png', 'a/' * 300 + 'c.png']
    keys = lmdb_keys(names)
    assert len(set(keys)) == len(names)
    assert max(len(sub_image_key(key, 99999, 99999)) for key in keys) <= 511
    assert max(map(len, keys)) <= LONGEST
    assert os.fsencode(names[0]).startswith(os.fsencode(name_of_key(keys[0])))
