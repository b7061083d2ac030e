"""A cut-off JPEG is told from a whole one, whatever stands before or behind the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cclgan_plugin.data.jpeg import is_whole_jpeg, usual_jpeg


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


@pytest.mark.parametrize('mode', ['RGB', 'L'])
@pytest.mark.parametrize('progressive', [False, True])
def test_the_header_of_a_usual_file(
    picture: np.ndarray, encode: Callable[..., bytes], mode: str, progressive: bool
) -> None:
    data = encode(Image.fromarray(picture).convert(mode), 'JPEG', progressive=progressive)
    header = usual_jpeg(data)
    assert header is not None
    assert (header.height, header.width, header.upright) == (24, 36, True)
    assert header.in_one_scan == (not progressive)
    assert data[header.height_at : header.height_at + 2] == bytes([0, 24])


@pytest.mark.parametrize('orientation', range(10))
def test_what_exif_turns_is_not_upright(
    picture: np.ndarray, encode: Callable[..., bytes], orientation: int
) -> None:
    exif = Image.Exif()
    exif[271] = 'a camera'
    exif[274] = orientation
    header = usual_jpeg(encode(picture, 'JPEG', exif=exif))
    assert header is not None
    assert header.upright == (orientation not in range(2, 9))


@pytest.mark.parametrize(
    'exif',
    [
        b'II*\0\x08\0\0\0\x01\0\x12\x01\x01\0\x01\0\0\0\x06\0\0\0\0\0\0\0',  # a byte
        b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\x06\0\x01\0\0\0\0\0',  # two of them
        b'II*\0\x08\0\0\0\x09\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0',  # cut off
        b'II*\0\xff\xff\0\0\x01\0',
        b'no EXIF at all',
        b'',
    ],
)
def test_exif_that_makes_no_sense_may_turn(
    picture: np.ndarray, encode: Callable[..., bytes], exif: bytes
) -> None:
    data = encode(picture, 'JPEG')
    segment = b'\xff\xe1' + (len(exif) + 8).to_bytes(2, 'big') + b'Exif\0\0' + exif
    header = usual_jpeg(data[:2] + segment + data[2:])
    assert header is not None
    assert not header.upright


def test_more_pixels_than_decoders_take_are_not_usual(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    data = encode(picture, 'JPEG')
    for height, width in ((65501, 36), (24, 65501), (40000, 40000)):
        size = height.to_bytes(2, 'big') + width.to_bytes(2, 'big')
        assert usual_jpeg(data.replace(b'\x08\0\x18\0\x24', b'\x08' + size)) is None


def test_other_kinds_are_not_usual(picture: np.ndarray, encode: Callable[..., bytes]) -> None:
    cmyk = encode(Image.fromarray(picture).convert('CMYK'), 'JPEG')
    usual = encode(picture, 'JPEG')
    arithmetic = usual.replace(b'\xff\xc0', b'\xff\xc9')
    height_behind = usual.replace(b'\x08\0\x18\0\x24', b'\x08\0\0\0\x24')
    assert height_behind != usual
    for data in (cmyk, arithmetic, height_behind, usual[:100], b'\xff\xd8\xff', b'\xff\xd8\xff\xc0\0'):
        assert usual_jpeg(data) is None
