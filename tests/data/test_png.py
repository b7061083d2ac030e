"""Damage in a PNG file is seen, and its size without decoding it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cclgan_plugin.data.png import UsualPng, chunk_names, look_at_png


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + name + content + struct.pack('>I', zlib.crc32(name + content))


def png(*chunks: bytes) -> bytes:
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunks) + chunk(b'IEND', b'')


def header(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    return chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0))


DATA = chunk(b'IDAT', b'')


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'L', 'LA', 'P', '1', 'I;16'])
def test_the_size_is_pillows(picture: np.ndarray, encode: Callable[..., bytes], mode: str) -> None:
    image = Image.fromarray(picture).convert('L' if mode == 'I;16' else mode)
    data = encode(image.convert('I;16') if mode == 'I;16' else image, 'PNG')
    assert look_at_png(data) == UsualPng(36, 24)
    names = list(chunk_names(data))
    assert names[0] == b'IHDR'
    assert names[-1] == b'IEND'
    assert b'IDAT' in names


def test_each_byte_that_is_missing_or_changed_is_noticed(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    data = encode(picture, 'PNG')
    for length in range(8, len(data)):
        assert look_at_png(data[:length]) == 'truncated, its end is missing'
    for position in range(8, len(data) - 4):
        changed = bytearray(data)
        changed[position] ^= 1
        assert isinstance(look_at_png(bytes(changed)), str), position


@pytest.mark.parametrize(
    'unusual',
    [
        png(header(4, 4), chunk(b'eXIf', b'MM'), DATA),
        png(header(4, 4)),
        png(DATA, header(4, 4)),
        png(header(0, 4), DATA),
        png(header(1 << 16, 1 << 15), DATA),
        png(header(4, 4, bits=4, colour=2), DATA),
        png(header(4, 4, colour=1), DATA),
        png(header(4, 4), header(4, 5), DATA),
        png(header(4, 4), chunk(b'\0\1\2\3', b''), DATA),
        png(chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 8, 2, 0, 1, 0)), DATA),
        png(chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 8, 2, 0, 0, 2)), DATA),
        png(chunk(b'IHDR', struct.pack('>IIBB', 4, 4, 8, 2)), DATA),
        png(chunk(b'IHDR', b'short'), DATA),
        png(),
    ],
)
def test_of_what_is_unusual_a_decoder_decides(unusual: bytes) -> None:
    assert look_at_png(unusual) is None
