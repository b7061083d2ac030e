"""The fast JPEG decoder gives OpenCV's bits, for all rows and for the upper ones, and notices damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from cclgan_plugin.data.jpeg import is_whole_jpeg, usual_jpeg
from cclgan_plugin.data.jpeg_pixels import decode_upper_rows, decode_usual_jpeg, is_sound_jpeg

SAMPLING = ('411', '420', '422', '440', '444')


def _noise(height: int, width: int, channels: int) -> np.ndarray:
    small = np.random.default_rng(height).integers(
        0, 256, (height // 3 + 1, width // 3 + 1, channels), np.uint8
    )
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def _files() -> Iterator[tuple[str, bytes]]:
    for height, width in ((97, 70), (64, 64), (130, 33)):
        for sampling in SAMPLING:
            for interval in (0, 3):
                flags = [
                    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                    getattr(cv2, f'IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}'),
                    cv2.IMWRITE_JPEG_RST_INTERVAL,
                    interval,
                ]
                data = cv2.imencode('.jpg', _noise(height, width, 3), flags)[1].tobytes()
                yield f'{height}x{width} {sampling} {interval}', data
        yield f'{height}x{width} grey', cv2.imencode('.jpg', _noise(height, width, 1))[1].tobytes()


FILES = dict(_files())


def _opencv(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.mark.parametrize('name', FILES)
def test_all_rows(name: str) -> None:
    image = decode_usual_jpeg(FILES[name])
    assert image is not None
    np.testing.assert_array_equal(image, _opencv(FILES[name]))


def test_all_rows_of_colours_that_are_not_converted(encode: Callable[..., bytes]) -> None:
    data = encode(_noise(50, 60, 3), 'JPEG', keep_rgb=True)
    np.testing.assert_array_equal(decode_usual_jpeg(data), _opencv(data))


@pytest.mark.parametrize('name', FILES)
def test_upper_rows(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = FILES[name]
    header = usual_jpeg(data)
    assert header is not None
    whole = _opencv(data)
    for rows in range(1, header.height + 1):
        upper = decode_upper_rows(data, header, rows)
        np.testing.assert_array_equal(upper, whole[:rows])
    assert capfd.readouterr() == ('', '')


def test_upper_rows_do_not_look_below_themselves() -> None:
    data = FILES['97x70 420 0']
    header = usual_jpeg(data)
    assert header is not None
    half = len(data) * 2 // 3
    damaged = data[:half] + bytes(len(data) - half - 2) + data[-2:]
    np.testing.assert_array_equal(decode_upper_rows(damaged, header, 20), _opencv(data)[:20])


@pytest.mark.parametrize('what', ['turned', 'progressive', 'cut off', 'more behind'])
def test_files_that_others_decode(encode: Callable[..., bytes], what: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    noise = _noise(40, 50, 3)
    data = encode(
        noise, 'JPEG', progressive=what == 'progressive', **({'exif': exif} if what == 'turned' else {})
    )
    data = {'cut off': data[:-2], 'more behind': data + b'0'}.get(what, data)
    header = usual_jpeg(data)
    assert header is not None
    assert decode_upper_rows(data, header, 20) is None
    if what == 'progressive':
        np.testing.assert_array_equal(decode_usual_jpeg(data), _opencv(data))
    else:
        assert decode_usual_jpeg(data) is None


def test_several_scans_are_decoded_whole(encode: Callable[..., bytes]) -> None:
    """Behind the first scan the decoder could fail without a word, and leave memory as it was."""
    data = encode(_noise(64, 64, 3), 'JPEG', subsampling=0)
    start = data.index(b'\xff\xda')
    first = data[:start] + b'\xff\xda\0\x08\x01\x01\0\0\x3f\0' + data[start + 14 :]
    header = usual_jpeg(first)
    assert header is not None
    assert not header.in_one_scan
    assert decode_upper_rows(first, header, 20) is None


def test_a_lack_of_memory_leaves_it_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> np.ndarray:
        raise MemoryError

    data = FILES['64x64 420 0']
    monkeypatch.setattr(simplejpeg, 'decode_jpeg', fail)
    assert decode_usual_jpeg(data) is None
    assert is_sound_jpeg(data)


def test_a_complaint_leaves_it_to_others(encode: Callable[..., bytes]) -> None:
    data = encode(_noise(64, 64, 3), 'JPEG')
    middle = len(data) // 2
    assert decode_usual_jpeg(data[:middle] + bytes(200) + data[middle + 200 :]) is None


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


def test_rare_colour_planes_are_not_called_damaged(picture: np.ndarray, encode: Callable[..., bytes]) -> None:
    data = encode(picture, 'JPEG', subsampling=0)
    # The luma of 2x4 samples for one of the colours.
    rare = data.replace(bytes([3, 1, 0x11, 0, 2]), bytes([3, 1, 0x24, 0, 2]))
    assert rare != data
    assert is_sound_jpeg(rare)


def test_what_is_no_jpeg_inside_does_no_harm() -> None:
    for data in (b'\xff\xd8\xff', b'\xff\xd8\xff\xc0', b'\xff\xd8\xff\xd9', b'\xff\xd8\xff\xe1\0'):
        assert is_sound_jpeg(data) in (True, False)
