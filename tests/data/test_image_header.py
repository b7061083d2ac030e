"""Sizes are those of the decoded image, and damage is seen without decoding."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_header import read_header


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF'])
def test_kind_and_size(picture: np.ndarray, encode: Callable[..., bytes], kind: str) -> None:
    assert read_header(encode(picture, kind), 'x') == (kind, 36, 24)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP'])
def test_the_size_is_that_of_the_upright_image(
    picture: np.ndarray, encode: Callable[..., bytes], kind: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_header(encode(picture, kind, exif=exif), 'x')[1:] == (24, 36)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF'])
@pytest.mark.parametrize('share', [0.3, 0.9])
def test_a_cut_off_image_is_named(
    picture: np.ndarray, encode: Callable[..., bytes], kind: str, share: float
) -> None:
    data = encode(picture, kind)
    with pytest.raises(ImageError, match=r'^photo: '):
        read_header(data[: int(share * len(data))], 'photo')


def test_one_wrong_bit_in_a_png_is_seen(picture: np.ndarray, encode: Callable[..., bytes]) -> None:
    data = bytearray(encode(picture, 'PNG'))
    data[len(data) // 2] ^= 1
    with pytest.raises(ImageError, match='photo: the PNG file is damaged: a checksum is wrong'):
        read_header(bytes(data), 'photo')


def test_text_is_no_image() -> None:
    with pytest.raises(ImageError, match='photo: not a PNG'):
        read_header(b'hello', 'photo')


def test_an_orientation_that_only_xmp_tells_is_left_alone_as_in_decoding(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for kind in ('JPEG', 'WEBP'):
        data = encode(picture, kind, xmp=xmp)
        assert decode_image(data, 'x').shape[:2] == (24, 36)
        for stored in (data, data + b'behind its end'):
            assert read_header(stored, 'x') == (kind, 36, 24)


def test_a_jpeg_whose_frame_has_a_wrong_length_is_not_believed(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    data = encode(picture, 'JPEG')
    frame = data.index(b'\xff\xc0') + 2
    with pytest.raises(ImageError, match=r'^photo: '):
        read_header(data[:frame] + b'\0\4' + data[frame + 2 :], 'photo')


def test_exif_behind_a_pngs_pixels_counts_as_in_decoding(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = b'eXIf' + exif.tobytes().removeprefix(b'Exif\0\0')
    chunk = (len(content) - 4).to_bytes(4, 'big') + content + zlib.crc32(content).to_bytes(4, 'big')
    data = encode(picture, 'PNG')
    data = data[:-12] + chunk + data[-12:]
    assert decode_image(data, 'x').shape[:2] == (36, 24)
    assert read_header(data, 'x') == ('PNG', 24, 36)
