"""Sizes are those of the decoded image, and damage is seen without decoding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

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
