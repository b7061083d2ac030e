"""A cut-off JPEG is told from a whole one, whatever stands before or behind the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cclgan_plugin.data.jpeg import is_sound_jpeg, is_whole_jpeg


@pytest.mark.parametrize('progressive', [False, True])
def test_every_shorter_file_is_cut_off(
    picture: np.ndarray, encode: Callable[..., bytes], progressive: bool
) -> None:
    data = encode(picture, 'JPEG', progressive=progressive)
    assert is_whole_jpeg(data)
    assert not any(is_whole_jpeg(data[:length]) for length in range(3, len(data)))


def test_data_behind_the_end_do_no_harm(picture: np.ndarray, encode: Callable[..., bytes]) -> None:
    assert is_whole_jpeg(encode(picture, 'JPEG') + bytes(100) + b'appended by the camera')


def test_the_end_of_an_embedded_thumbnail_is_not_the_end(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    thumbnail = encode(picture[::2, ::2], 'JPEG')
    segment = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    data = encode(picture, 'JPEG')
    with_thumbnail = data[:2] + segment + data[2:]
    assert is_whole_jpeg(with_thumbnail)
    assert not is_whole_jpeg(with_thumbnail[:-2])


def test_restart_markers_and_fill_bytes_are_no_end(picture: np.ndarray, encode: Callable[..., bytes]) -> None:
    data = encode(picture, 'JPEG', restart_marker_rows=1)
    assert b'\xff\xd0' in data
    assert is_whole_jpeg(data[:-2] + b'\xff\xff\xff\xd9')
    assert not is_whole_jpeg(data[:-2])


@pytest.mark.parametrize(
    'settings', [{}, {'progressive': True}, {'subsampling': 2}, {'restart_marker_rows': 1}, {'quality': 5}]
)
@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
def test_good_files_are_sound(
    picture: np.ndarray, encode: Callable[..., bytes], settings: dict[str, Any], mode: str
) -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = encode(Image.fromarray(picture).convert(mode), 'JPEG', exif=exif, **settings)
    assert is_sound_jpeg(data)
    assert is_sound_jpeg(data + bytes(100))


@pytest.mark.parametrize('progressive', [False, True])
@pytest.mark.parametrize('damage', [b'', bytes(200), b'\xff' * 200, bytes(range(200))])
def test_damage_within_the_data_is_seen(
    encode: Callable[..., bytes], progressive: bool, damage: bytes
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(noise, 'JPEG', progressive=progressive)
    middle = len(data) // 2
    damaged = data[:middle] + damage + data[middle + 200 :]
    assert is_whole_jpeg(damaged)
    assert not is_sound_jpeg(damaged)


def test_what_is_no_jpeg_inside_does_no_harm() -> None:
    for data in (b'\xff\xd8\xff', b'\xff\xd8\xff\xc0', b'\xff\xd8\xff\xd9', b'\xff\xd8\xff\xe1\0'):
        assert is_sound_jpeg(data) in (True, False)
