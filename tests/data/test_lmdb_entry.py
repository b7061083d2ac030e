"""An image's own bytes by default; parts that cover it, and sizes, where asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cclgan_plugin.data import image_header, lmdb_entry
from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.lmdb_entry import EntrySettings, make_entries
from cclgan_plugin.errors import OptionError


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP'])
def test_bytes_are_kept(picture: np.ndarray, encode: Callable[..., bytes], kind: str) -> None:
    data = encode(picture, kind)
    (entry,) = make_entries(data, 'x', 'key', EntrySettings())
    assert entry.data == data
    assert entry.line.startswith('key.')
    assert entry.line.endswith(' (24,36,3)')


def test_parts_cover_the_image_and_say_where_they_were(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    entries = make_entries(encode(picture, 'PNG'), 'x', 'key', EntrySettings(crop=10, step=8))
    covered = np.zeros(picture.shape[:2], bool)
    for entry in entries:
        top, left = map(int, entry.key.removeprefix('key~y').split('x'))
        part = decode_image(entry.data, 'part')
        np.testing.assert_array_equal(part, picture[top : top + 10, left : left + 10])
        assert part.shape == (10, 10, 3)
        covered[top : top + 10, left : left + 10] = True
    assert covered.all()
    assert len({entry.key for entry in entries}) == len(entries) == 3 * 5


def test_an_image_smaller_than_the_crop_stays_whole(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    entries = make_entries(encode(picture, 'PNG'), 'x', 'key', EntrySettings(crop=30))
    assert [(entry.height, entry.width) for entry in entries] == [(24, 30), (24, 30)]


def test_large_images_shrink_and_small_ones_do_not(picture: np.ndarray, encode: Callable[..., bytes]) -> None:
    (small,) = make_entries(encode(picture, 'PNG'), 'x', 'key', EntrySettings(max_size=18))
    assert decode_image(small.data, 'x').shape == (12, 18, 3)
    (same,) = make_entries(encode(picture, 'PNG'), 'x', 'key', EntrySettings(max_size=36))
    np.testing.assert_array_equal(decode_image(same.data, 'x'), picture)


@pytest.mark.parametrize(
    ('encoding', 'start'), [('png', b'\x89PNG'), ('jpg', b'\xff\xd8'), ('webp', b'RIFF')]
)
def test_other_encodings(
    picture: np.ndarray, encode: Callable[..., bytes], encoding: str, start: bytes
) -> None:
    (entry,) = make_entries(encode(picture, 'BMP'), 'x', 'key', EntrySettings(encode=encoding))
    assert entry.data.startswith(start)
    assert entry.line == f'key.{encoding} (24,36,3)'
    assert np.abs(decode_image(entry.data, 'x').astype(int) - picture).max() <= (
        12 if encoding == 'jpg' else 0
    )


def test_sixteen_bits_stay_sixteen(encode: Callable[..., bytes]) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (8, 9, 3), dtype=np.uint16)
    (entry,) = make_entries(encode(image, 'PNG'), 'x', 'key', EntrySettings(encode='png'))
    np.testing.assert_array_equal(decode_image(entry.data, 'x'), image)


def test_a_bad_image_is_named(picture: np.ndarray, encode: Callable[..., bytes]) -> None:
    for settings in (EntrySettings(), EntrySettings(crop=8)):
        with pytest.raises(ImageError, match=r'^photo: '):
            make_entries(encode(picture, 'PNG')[:-20], 'photo', 'key', settings)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'crop': 0}, '--crop 0'),
        ({'max_size': -1}, '--max-size -1'),
        ({'step': 4}, '--step 4: expected with --crop'),
        ({'crop': 4, 'step': 5}, '--step 5.*pixels would be lost'),
    ],
)
def test_wrong_numbers(settings: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        EntrySettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF'])
def test_an_image_that_is_made_anew_is_decoded_once(
    picture: np.ndarray, encode: Callable[..., bytes], kind: str, count_decoding: Callable[..., list[str]]
) -> None:
    decoded = count_decoding(image_header, lmdb_entry)
    make_entries(encode(picture, kind), 'x', 'key', EntrySettings(crop=8))
    assert decoded == ['x']


def test_an_image_too_large_for_its_new_format_is_named(encode: Callable[..., bytes]) -> None:
    wide = encode(np.zeros((1, 17000, 3), np.uint8), 'PNG')
    with pytest.raises(ImageError, match=r'^photo: an image of 17000x1 as \.webp'):
        make_entries(wide, 'photo', 'key', EntrySettings(encode='webp'))
