"""Every promised kind of file becomes the same RGB array; every bad one is named with the reason."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cclgan_plugin.data import decode
from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_header import read_header

Encode = Callable[..., bytes]
LOSSLESS: list[tuple[str, dict[str, Any]]] = [
    ('PNG', {}),
    ('BMP', {}),
    ('TIFF', {}),
    ('TIFF', {'compression': 'tiff_lzw'}),
    ('WEBP', {'lossless': True}),
]


@pytest.mark.parametrize(('kind', 'settings'), LOSSLESS)
def test_lossless_formats_give_the_exact_pixels(
    picture: np.ndarray, encode: Encode, kind: str, settings: dict[str, Any]
) -> None:
    image = decode_image(encode(picture, kind, **settings), 'x')
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, picture)


@pytest.mark.parametrize(
    'settings', [{'quality': 98, 'subsampling': 0}, {'quality': 98, 'progressive': True}]
)
def test_jpeg_gives_nearly_the_pixels(picture: np.ndarray, encode: Encode, settings: dict[str, Any]) -> None:
    image = decode_image(encode(picture, 'JPEG', **settings), 'x').astype(int)
    assert np.abs(image - picture).mean() < 2


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize(('kind', 'settings'), [*LOSSLESS[0::2], LOSSLESS[4], ('JPEG', {'quality': 100})])
def test_exif_orientation_is_applied(
    picture: np.ndarray, encode: Encode, kind: str, settings: dict[str, Any], orientation: int
) -> None:
    turned = {
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.swapaxes(0, 1),
        6: np.rot90(picture, -1),
        7: picture[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(picture),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    image = decode_image(encode(picture, kind, exif=exif, **settings), 'x')
    assert image.shape == turned.shape
    assert np.abs(image.astype(int) - turned).mean() < 2


@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_16_bits_stay_16_bits(encode: Encode, kind: str, channels: int) -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (8, 9, channels), dtype=np.uint16)
    done, data = cv2.imencode(
        f'.{kind.lower()}', deep if channels == 1 else deep[..., [2, 1, 0, 3][:channels]]
    )
    image = decode_image(data.tobytes(), 'x')
    assert done
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, np.repeat(deep, 3, axis=2) if channels == 1 else deep[..., :3])


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'BMP', 'JPEG'])
def test_grey_becomes_three_equal_channels(picture: np.ndarray, encode: Encode, kind: str) -> None:
    image = decode_image(encode(Image.fromarray(picture).convert('L'), kind), 'x')
    assert image.shape == picture.shape
    assert (image == image[..., :1]).all()


@pytest.mark.parametrize(
    ('kind', 'mode'), [('PNG', '1'), ('TIFF', '1'), ('BMP', '1'), ('PNG', 'P'), ('BMP', 'P')]
)
def test_palettes_become_their_colours(picture: np.ndarray, encode: Encode, kind: str, mode: str) -> None:
    reduced = Image.fromarray(picture).convert(mode)
    image = decode_image(encode(reduced, kind), 'x')
    np.testing.assert_array_equal(image, np.asarray(reduced.convert('RGB')))


@pytest.mark.parametrize(
    ('kind', 'settings'),
    [('PNG', {}), ('TIFF', {}), ('WEBP', {'lossless': True, 'exact': True}), ('BMP', {})],
)
def test_alpha_is_left_out_and_the_colours_stay(
    picture: np.ndarray, encode: Encode, kind: str, settings: dict[str, Any]
) -> None:
    alpha = np.random.default_rng(0).integers(0, 256, picture.shape[:2], dtype=np.uint8)
    image = decode_image(encode(np.dstack([picture, alpha]), kind, **settings), 'x')
    np.testing.assert_array_equal(image, picture)


def test_grey_with_alpha_and_palette_with_transparency(picture: np.ndarray, encode: Encode) -> None:
    grey = Image.fromarray(picture).convert('LA')
    np.testing.assert_array_equal(decode_image(encode(grey, 'PNG'), 'x'), np.asarray(grey.convert('RGB')))
    palette = Image.fromarray(picture).quantize(16)
    image = decode_image(encode(palette, 'PNG', transparency=0), 'x')
    np.testing.assert_array_equal(image, np.asarray(palette.convert('RGB')))


@pytest.mark.parametrize('kind', ['JPEG', 'TIFF'])
def test_cmyk_becomes_rgb(picture: np.ndarray, encode: Encode, kind: str) -> None:
    settings = {'quality': 98} if kind == 'JPEG' else {}
    image = decode_image(encode(Image.fromarray(picture).convert('CMYK'), kind, **settings), 'x')
    assert np.abs(image.astype(int) - picture).mean() < 3


def test_the_first_frame_of_an_animation_is_taken(picture: np.ndarray, encode: Encode) -> None:
    more = [Image.fromarray(picture[::-1])]
    data = encode(picture, 'WEBP', save_all=True, append_images=more, lossless=True)
    np.testing.assert_array_equal(decode_image(data, 'x'), picture)


@pytest.mark.parametrize('share', [0.2, 0.5, 0.9])
@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'BMP', 'TIFF', 'WEBP'])
def test_a_truncated_file_is_named(picture: np.ndarray, encode: Encode, kind: str, share: float) -> None:
    data = encode(np.tile(picture, (4, 4, 1)), kind)
    with pytest.raises(ImageError, match=r'rain/photo\.x: .*truncated'):
        decode_image(data[: int(len(data) * share)], 'rain/photo.x')


def test_a_jpeg_without_its_last_rows_is_no_image_with_grey_rows(picture: np.ndarray, encode: Encode) -> None:
    data = encode(np.tile(picture, (8, 8, 1)), 'JPEG')
    for missing in (1, 2, 3, 50):
        with pytest.raises(ImageError, match='truncated'):
            decode_image(data[:-missing], 'x')


def test_a_decoder_that_fills_up_with_grey_is_not_believed(
    picture: np.ndarray, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OpenCV before 4.12 returns an image for a truncated JPEG.
    monkeypatch.setattr(decode, 'decode_usual_jpeg', lambda _: None)
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: picture)
    data = encode(picture, 'JPEG')
    np.testing.assert_array_equal(decode_image(data, 'x')[..., ::-1], picture)
    with pytest.raises(ImageError, match='truncated'):
        decode_image(data[:-20], 'x')


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'', 'the file is empty'),
        (b'this is a text, named .jpg', "begins with the text 'this is a text"),
        (b'<html><body>404', 'begins with the text'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:', 'git lfs pull'),
        (b'GIF89a' + bytes(20), 'it is a GIF'),
        (b'%PDF-1.7', 'it is a PDF'),
        (b'\0\0\0\x1cftypheic' + bytes(20), 'HEIC'),
        (bytes(1000), 'nothing but zero bytes'),
        (b'\x01\x02\xff\xfe' * 9, 'begins with the bytes 01 02 ff fe'),
        (b'\xff\xd8\xff', 'truncated'),
        (b'\x89PNG\r\n\x1a\n', 'truncated'),
        (b'BM' + bytes(40), 'damaged'),
        (b'II*\0' + bytes(40), 'damaged'),
    ],
)
def test_what_is_no_image_is_named_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=rf'^rain/photo\.jpg: .*{reason}'):
        decode_image(data, 'rain/photo.jpg')


def test_damaged_png_data_is_noticed(picture: np.ndarray, encode: Encode) -> None:
    data = bytearray(encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), 'PNG'))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ImageError, match='damaged'):
        decode_image(bytes(data), 'x')


@pytest.mark.parametrize('dtype', ['float32', 'int16', 'uint32'])
def test_other_kinds_of_pixels_are_refused(dtype: str) -> None:
    tifffile = pytest.importorskip('tifffile')
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.ones((8, 8, 3), dtype), photometric='rgb')
    with pytest.raises(ImageError, match='8 or 16 bits'):
        decode_image(buffer.getvalue(), 'x')


@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
@pytest.mark.parametrize('compression', [None, 'deflate'])
def test_a_tiff_whose_white_is_zero_is_no_negative(
    picture: np.ndarray, dtype: str, compression: str | None
) -> None:
    tifffile = pytest.importorskip('tifffile')
    grey = picture[..., 0].astype(dtype) * (257 if dtype == 'uint16' else 1)
    buffer = io.BytesIO()
    turned = np.iinfo(dtype).max - grey
    tifffile.imwrite(buffer, turned, photometric='miniswhite', compression=compression)
    decoded = decode_image(buffer.getvalue(), 'scan.tif')
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, np.repeat(grey[..., None], 3, axis=2))


def test_planes_of_a_tiff_are_not_mixed_up(picture: np.ndarray) -> None:
    tifffile = pytest.importorskip('tifffile')
    buffer = io.BytesIO()
    planes = np.moveaxis(picture, -1, 0)
    tifffile.imwrite(buffer, planes, photometric='rgb', planarconfig='separate')
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), 'x'), picture)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, planes.astype('uint16') * 257, photometric='rgb', planarconfig='separate')
    with pytest.raises(ImageError, match='16-bit TIFF file with separate colour planes'):
        decode_image(buffer.getvalue(), 'x')


def test_the_content_decides_not_the_name(picture: np.ndarray, encode: Encode) -> None:
    np.testing.assert_array_equal(decode_image(encode(picture, 'PNG'), 'photo.jpg'), picture)


def test_a_large_jpeg_may_be_decoded_smaller_but_not_too_small(encode: Encode) -> None:
    y, x = np.mgrid[0:160, 0:240]
    smooth = np.stack([x, y, 255 - x], axis=2).clip(0, 255).astype(np.uint8)
    data = encode(smooth, 'JPEG', quality=95)
    sizes = {at_least: decode_image(data, 'x', at_least).shape[:2] for at_least in (20, 21, 80, 81, 500)}
    assert sizes == {20: (20, 30), 21: (40, 60), 80: (80, 120), 81: (160, 240), 500: (160, 240)}
    half = decode_image(data, 'x', 80).astype(int)
    assert np.abs(half - smooth.reshape(80, 2, 120, 2, 3).mean(axis=(1, 3))).max() < 6
    assert decode_image(encode(smooth, 'PNG'), 'x', 20).shape == (160, 240, 3)


def test_both_png_decoders_agree(encode: Encode) -> None:
    import cv2

    from cclgan_plugin.data import decode

    for filters, seed in enumerate((0, 1, 2)):
        image = np.random.default_rng(seed).integers(0, 256, (17, 23, 3), dtype=np.uint8)
        data = cv2.imencode('.png', image[..., ::-1], [cv2.IMWRITE_PNG_FILTER, 8 << filters])[1].tobytes()
        fast, usual = decode._plain_png(data), decode._with_opencv(data)
        assert fast is not None
        assert usual is not None
        np.testing.assert_array_equal(fast, usual)
        np.testing.assert_array_equal(fast, image)
        for place in range(8, len(data), 31):
            damaged = bytearray(data)
            damaged[place] ^= 4
            other = decode._plain_png(bytes(damaged))
            assert other is None or np.array_equal(other, image)


def test_a_png_that_claims_to_be_huge_is_a_bad_image_and_not_the_end(
    picture: np.ndarray, encode: Callable[..., bytes]
) -> None:
    data = bytearray(encode(picture, 'PNG'))
    data[20:24] = (0x7F000018).to_bytes(4, 'big')  # the height
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, 'big')
    with pytest.raises(ImageError, match=r'^photo: '):
        decode_image(bytes(data), 'photo')


@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
def test_16_bits_that_are_cut_short_do_not_become_8(kind: str) -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (60, 60, 3), dtype=np.uint16)
    settings = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if kind == 'TIFF' else []
    data = cv2.imencode(f'.{kind.lower()}', deep, settings)[1].tobytes()
    for missing in (4, 6, 12, 2000):
        with pytest.raises(ImageError, match=rf'^photo: the {kind} file is truncated'):
            decode_image(data[:-missing], 'photo')


@pytest.mark.parametrize('kind', ['PNG', 'WEBP', 'JPEG'])
def test_damaged_exif_is_no_reason_to_refuse_a_picture(
    picture: np.ndarray, encode: Encode, kind: str
) -> None:
    settings = {'lossless': True} if kind == 'WEBP' else {'quality': 98} if kind == 'JPEG' else {}
    data = encode(picture, kind, **settings, exif=b'Exif\0\0garbage, no TIFF')
    assert np.abs(decode_image(data, 'x').astype(int) - picture).mean() < 2


def test_an_orientation_that_only_xmp_tells_turns_nothing_by_whichever_decoder(
    picture: np.ndarray, encode: Encode
) -> None:
    tifffile = pytest.importorskip('tifffile')
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    exif = Image.Exif()
    exif[271] = 'Maker'
    assert decode_image(encode(picture, 'WEBP', exif=exif, xmp=xmp), 'x').shape == picture.shape
    for dtype in (np.uint8, np.uint16):
        buffer = io.BytesIO()
        tags = [(700, 1, len(xmp), xmp, True)]
        tifffile.imwrite(buffer, picture.astype(dtype), photometric='rgb', metadata=None, extratags=tags)
        assert decode_image(buffer.getvalue(), 'x').shape == picture.shape


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'BMP', 'WEBP', 'TIFF'])
def test_pillow_has_no_limit_of_its_own(
    picture: np.ndarray, encode: Encode, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A scan of 14000x13000 pixels is beyond it; here, a small picture under a small limit."""
    settings = {'lossless': True} if kind == 'WEBP' else {}
    image = Image.fromarray(picture).convert('CMYK' if kind == 'JPEG' else 'RGB')
    data = encode(image, kind, **settings)
    expected = decode_image(data, 'a')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    np.testing.assert_array_equal(decode_image(data, 'a'), expected)
    assert read_header(data, 'a')[1:] == (36, 24)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: decode_image(data, 'a'), range(20)))
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_tiff_that_claims_to_be_huge_is_a_bad_image(picture: np.ndarray, encode: Encode) -> None:
    data = encode(picture, 'TIFF')
    # Width and height, of which each is one long number.
    for tag in (256, 257):
        for kind in (3, 4):
            start = data.find(struct.pack('<HHI', tag, kind, 1))
            if start >= 0:
                value = struct.pack('<HHII', tag, 4, 1, 1_000_000)
                data = data[:start] + value + data[start + 12 :]
    with pytest.raises(
        ImageError, match=r'a: the TIFF file .*1000000x1000000 pixels, at most 1073741824 are'
    ):
        decode_image(data, 'a')
