"""A cut-off JPEG is told from a whole one, whatever stands before or behind the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cclgan_plugin.data.jpeg import is_whole_jpeg


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
