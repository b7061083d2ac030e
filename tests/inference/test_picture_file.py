"""Files keep what they are: bit depth, alpha, profile, EXIF, whatever their format."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image, ImageCms

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.inference.picture_file import encode_picture, read_picture
from cclgan_plugin.inference.png_file import chunk

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[100:133, 200:250])
DEEP = PHOTO.astype(np.uint16) * 257 + 3
ALPHA = np.linspace(0, 255, 33 * 50).astype(np.uint8).reshape(33, 50)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


def exif(orientation=1):
    found = Image.Exif()
    found[0x0112], found[271] = orientation, 'Maker'
    found.get_ifd(0x8769)[0x9003] = '2020:01:02 03:04:05'
    return found


def again(path, extension=None):
    """A file read and written without a network in between."""
    picture = read_picture(str(path))
    out = path.with_name('out' + (extension or path.suffix))
    out.write_bytes(encode_picture(picture.pixels, picture, out.suffix))
    return out


@pytest.mark.parametrize('extension', ['.png', '.webp', '.tif', '.bmp'])
def test_lossless_formats_bring_every_pixel_back(tmp_path, extension):
    Image.fromarray(PHOTO).save(tmp_path / f'a{extension}', lossless=True)
    np.testing.assert_array_equal(np.asarray(Image.open(again(tmp_path / f'a{extension}'))), PHOTO)


def test_jpeg_is_near(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / 'a.jpg', quality=95)
    before, after = Image.open(tmp_path / 'a.jpg'), Image.open(again(tmp_path / 'a.jpg'))
    assert after.format == 'JPEG'
    assert np.abs(np.asarray(before).astype(int) - np.asarray(after)).mean() < 2


@pytest.mark.parametrize('extension', ['.png', '.jpg', '.webp', '.tif'])
def test_profile_and_exif_stay(tmp_path, extension):
    file = tmp_path / f'a{extension}'
    Image.fromarray(PHOTO).save(file, icc_profile=ICC, exif=exif().tobytes())
    with Image.open(again(file)) as image:
        assert image.info['icc_profile'] == ICC
        found = image.getexif()
        assert found[271] == 'Maker'
        assert found.get_ifd(0x8769)[0x9003] == '2020:01:02 03:04:05'


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turned_pictures_become_upright_once(tmp_path, orientation):
    from PIL import ImageOps

    file = tmp_path / 'a.png'
    Image.fromarray(np.dstack([PHOTO, ALPHA])).save(file, exif=exif(orientation))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    with Image.open(again(file)) as image:
        assert image.getexif().get(0x0112, 1) == 1
        np.testing.assert_array_equal(np.asarray(image), upright)


@pytest.mark.parametrize('orientation', [1, 3, 6])
@pytest.mark.parametrize('extension', ['.jpg', '.png', '.webp', '.tif'])
def test_the_size_in_exif_is_that_of_the_upright_picture(tmp_path, extension, orientation):
    file, found = tmp_path / f'a{extension}', exif(orientation)
    found.get_ifd(0x8769).update({0xA002: 50, 0xA003: 33})
    if extension != '.tif':
        found[0x100], found[0x101] = 50, 33
    Image.fromarray(PHOTO).save(file, exif=found.tobytes())
    with Image.open(again(file)) as image:
        written = image.getexif()
        inner = written.get_ifd(0x8769)
        assert image.size == ((33, 50) if orientation == 6 else (50, 33))
        assert (inner[0xA002], inner[0xA003]) == image.size
        assert (written.get(0x100), written.get(0x101)) == image.size
        assert (written[271], inner[0x9003]) == ('Maker', '2020:01:02 03:04:05')


@pytest.mark.parametrize('orientation', [1, 6])
def test_16_bits_with_alpha_profile_and_exif(tmp_path, orientation):
    file = tmp_path / 'a.png'
    deep_alpha = np.dstack([DEEP, ALPHA.astype(np.uint16) * 257 + 1])
    content = cv2.imencode('.png', deep_alpha[..., [2, 1, 0, 3]])[1].tobytes()
    part = chunk(b'eXIf', exif(orientation).tobytes().removeprefix(b'Exif\0\0'))
    file.write_bytes(content[:33] + part + content[33:])
    expected = deep_alpha if orientation == 1 else np.rot90(deep_alpha, -1)
    out = again(file)
    np.testing.assert_array_equal(cv2.imread(str(out), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]], expected)
    with Image.open(out) as image:
        assert image.getexif()[271] == 'Maker'


def test_16_bit_png_keeps_its_profile(tmp_path):
    content = cv2.imencode('.png', DEEP)[1].tobytes()
    part = chunk(b'iCCP', b'x\0\0' + zlib.compress(ICC))
    (tmp_path / 'a.png').write_bytes(content[:33] + part + content[33:])
    with Image.open(again(tmp_path / 'a.png')) as image:
        assert image.info['icc_profile'] == ICC


def test_16_bit_png_keeps_its_resolution(tmp_path):
    content = cv2.imencode('.png', DEEP)[1].tobytes()
    part = chunk(b'pHYs', (11811).to_bytes(4, 'big') * 2 + b'\1')
    (tmp_path / 'a.png').write_bytes(content[:33] + part + content[33:])
    before, after = read_picture(str(tmp_path / 'a.png')), read_picture(str(again(tmp_path / 'a.png')))
    assert before.dpi == after.dpi == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize('described', [True, False])
def test_16_bit_tiff_keeps_what_describes_the_picture(tmp_path, described):
    about = {270: 'A street', 271: 'Maker', 305: 'Scanner', 315: 'Somebody'} if described else {}
    extra = [(tag, 2, 0, text, True) for tag, text in about.items()]
    tifffile.imwrite(
        tmp_path / 'a.tif', DEEP, photometric='rgb', metadata=None, software=False, extratags=extra
    )
    with Image.open(again(tmp_path / 'a.tif')) as image:
        assert {tag: image.tag_v2[tag] for tag in (270, 271, 305, 315) if tag in image.tag_v2} == about


@pytest.mark.parametrize('extension', ['.png', '.tif'])
@pytest.mark.parametrize('kind', ['grey', 'colour'])
def test_16_bit_grey_and_colour(tmp_path, extension, kind):
    pixels = DEEP if kind == 'colour' else np.ascontiguousarray(DEEP[..., 0])
    file = tmp_path / f'a{extension}'
    if extension == '.tif':
        tifffile.imwrite(file, pixels, iccprofile=ICC)
    else:
        cv2.imwrite(str(file), pixels[..., ::-1] if kind == 'colour' else pixels)
    out = again(file)
    found = tifffile.imread(out) if extension == '.tif' else cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16
    assert found.ndim == pixels.ndim
    expected = pixels[..., ::-1] if extension == '.png' and kind == 'colour' else pixels
    np.testing.assert_array_equal(found, expected)
    if extension == '.tif':
        assert Image.open(out).info['icc_profile'] == ICC


def test_16_bit_tiff_with_alpha(tmp_path):
    pixels = np.dstack([DEEP, ALPHA.astype(np.uint16) * 257])
    tifffile.imwrite(tmp_path / 'a.tif', pixels, photometric='rgb', extrasamples=['unassalpha'])
    np.testing.assert_array_equal(tifffile.imread(again(tmp_path / 'a.tif')), pixels)


@pytest.mark.parametrize('extension', ['.png', '.webp', '.tif'])
@pytest.mark.parametrize('mode', ['LA', 'RGBA'])
def test_alpha_stays_also_below_invisible_colours(tmp_path, extension, mode):
    image = Image.fromarray(PHOTO).convert(mode)
    image.putalpha(Image.fromarray(ALPHA))
    image.save(tmp_path / f'a{extension}', lossless=True, exact=True)
    with Image.open(again(tmp_path / f'a{extension}')) as found:
        np.testing.assert_array_equal(np.asarray(found.convert('RGBA')), np.asarray(image.convert('RGBA')))


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'CMYK'])
def test_modes_without_plain_colours(tmp_path, mode):
    extension = '.jpg' if mode == 'CMYK' else '.png'
    file = tmp_path / f'a{extension}'
    Image.fromarray(PHOTO).convert(mode).save(file)
    with Image.open(file) as image, Image.open(again(file)) as found:
        assert found.mode == {'1': 'L', 'L': 'L'}.get(mode, 'RGB')
        distance = np.abs(np.asarray(image.convert('RGB')).astype(int) - np.asarray(found.convert('RGB')))
        assert distance.mean() < (3 if mode == 'CMYK' else 0.01)


def test_a_transparent_palette_stays_transparent(tmp_path):
    image = Image.fromarray(PHOTO).quantize(16)
    image.save(tmp_path / 'a.png', transparency=3)
    expected = np.asarray(Image.open(tmp_path / 'a.png').convert('RGBA'))
    assert (expected[..., 3] == 0).any()
    np.testing.assert_array_equal(np.asarray(Image.open(again(tmp_path / 'a.png'))), expected)


def test_formats_without_room_get_what_fits(tmp_path):
    tifffile.imwrite(
        tmp_path / 'a.tif', np.dstack([DEEP, DEEP[..., 0]]), photometric='rgb', extrasamples=['unassalpha']
    )
    for extension in ('.jpg', '.bmp'):
        with Image.open(again(tmp_path / 'a.tif', extension)) as image:
            assert image.mode == 'RGB'
            assert np.abs(np.asarray(image).astype(int) - PHOTO).mean() < 3


def test_a_wrong_extension_is_no_obstacle(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / 'x.jpg', quality=95)
    (tmp_path / 'x.jpg').rename(tmp_path / 'a.png')
    with Image.open(again(tmp_path / 'a.png')) as image:
        assert image.format == 'PNG'


@pytest.mark.parametrize('kind', ['PNG', 'WEBP', 'TIFF'])
def test_animations_are_refused_rather_than_cut_to_one_frame(tmp_path, kind):
    frames = [Image.fromarray(np.roll(PHOTO, i * 5, 1)) for i in range(3)]
    frames[0].save(tmp_path / 'a', kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match='it holds 3 frames'):
        read_picture(str(tmp_path / 'a'))


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'TIFF', 'BMP'])
def test_truncated_files_are_named(tmp_path, kind):
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, kind)
    (tmp_path / 'a').write_bytes(buffer.getvalue()[: len(buffer.getvalue()) * 2 // 3])
    with pytest.raises(ImageError, match=f'{tmp_path}/a: '):
        read_picture(str(tmp_path / 'a'))


def jpeg(**settings):
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, 'JPEG', quality=95, **settings)
    return buffer.getvalue()


@pytest.mark.parametrize('progressive', [False, True])
@pytest.mark.parametrize('orientation', [1, 6])
def test_a_jpeg_that_decoders_would_fill_up_with_grey_is_refused(tmp_path, orientation, progressive):
    data = jpeg(exif=exif(orientation).tobytes(), progressive=progressive)
    half = len(data) // 2
    (tmp_path / 'a.jpg').write_bytes(data[:half] + bytes(len(data) - half - 2) + data[-2:])
    assert decode_image((tmp_path / 'a.jpg').read_bytes(), 'a').size == PHOTO.size  # nobody else minds
    with pytest.raises(ImageError, match=r'a\.jpg: the JPEG file is damaged'):
        read_picture(str(tmp_path / 'a.jpg'))


@pytest.mark.parametrize('orientation', [1, 6])
def test_a_jpeg_with_something_before_or_behind_its_end_is_not_called_damaged(tmp_path, orientation):
    """Cameras fill up their files, and put videos behind them."""
    data = jpeg(exif=exif(orientation).tobytes())
    expected = decode_image(data, 'a')
    for other in (data[:-2] + bytes(4) + data[-2:], data + bytes(100)):
        (tmp_path / 'a.jpg').write_bytes(other)
        np.testing.assert_array_equal(read_picture(str(tmp_path / 'a.jpg')).pixels, expected)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turned_16_bit_tiff_keeps_its_alpha_upright(tmp_path, orientation):
    pixels = np.dstack([DEEP, ALPHA.astype(np.uint16) * 257])
    file, eight = tmp_path / 'a.tif', tmp_path / 'b.png'
    tag = (274, 3, 1, orientation, True)
    tifffile.imwrite(file, pixels, photometric='rgb', extrasamples=['unassalpha'], extratags=[tag])
    Image.fromarray(np.dstack([PHOTO, ALPHA])).save(eight, exif=exif(orientation))
    upright = read_picture(str(eight))
    found = tifffile.imread(again(file))
    np.testing.assert_array_equal(found[..., 3] // 257, upright.alpha)
    np.testing.assert_array_equal(found[..., :3] // 257, upright.pixels)


DEEP_GREY_ALPHA = np.dstack([DEEP[..., 0], ALPHA.astype(np.uint16) * 257])


@pytest.mark.parametrize('orientation', range(1, 9))
def test_16_bit_grey_with_alpha_comes_back_from_tiff_files_and_other_programs(tmp_path, orientation):
    file, colours = tmp_path / 'a.tif', tmp_path / 'b.tif'
    settings = {'extrasamples': ['unassalpha'], 'planarconfig': 'contig', 'metadata': None, 'iccprofile': ICC}
    settings |= {'extratags': [(274, 3, 1, orientation, True), (271, 2, 0, 'Maker', True)]}
    tifffile.imwrite(file, DEEP_GREY_ALPHA, photometric='minisblack', byteorder='>', **settings)
    tifffile.imwrite(colours, DEEP_GREY_ALPHA[..., [0, 0, 0, 1]], photometric='rgb', **settings)
    expected = tifffile.imread(again(colours))[..., [0, 3]]
    out = again(file)
    np.testing.assert_array_equal(tifffile.imread(out), expected)
    found = read_picture(str(out))
    assert found.grey
    np.testing.assert_array_equal(found.alpha, expected[..., 1])
    with Image.open(again(out, '.png')) as image:
        assert (image.info['icc_profile'], image.getexif()[271]) == (ICC, 'Maker')


@pytest.mark.parametrize('planes', ['contig', 'separate'])
def test_16_bit_grey_that_is_multiplied_by_alpha_is_freed_of_it(tmp_path, planes):
    grey, alpha = DEEP_GREY_ALPHA[..., 0], DEEP_GREY_ALPHA[..., 1]
    pixels = np.dstack([np.rint(grey * (alpha / 65535)).astype(np.uint16), alpha])
    tifffile.imwrite(
        tmp_path / 'a.tif',
        pixels if planes == 'contig' else np.ascontiguousarray(np.moveaxis(pixels, 2, 0)),
        photometric='minisblack',
        planarconfig=planes,
        extrasamples=['assocalpha'],
        compression='zlib',
        predictor=True,
    )
    found = tifffile.imread(again(tmp_path / 'a.tif'))
    np.testing.assert_array_equal(found[..., 1], alpha)
    assert np.abs(found[..., 0].astype(int) - grey)[alpha > 30_000].max() <= 2


@pytest.mark.parametrize(('compressed', 'pages'), [(True, 1), (False, 1), (False, 2)])
def test_16_bit_grey_with_alpha_that_cannot_be_used_is_named(tmp_path, compressed, pages):
    pixels = np.stack([DEEP_GREY_ALPHA] * pages)
    settings = {'photometric': 'minisblack', 'planarconfig': 'contig', 'extrasamples': ['unassalpha']}
    tifffile.imwrite(tmp_path / 'a.tif', pixels, compression='zlib' if compressed else None, **settings)
    if pages == 1:
        data = (tmp_path / 'a.tif').read_bytes()
        (tmp_path / 'a.tif').write_bytes(data[:-500])
    message = 'the TIFF file is truncated' if pages == 1 else 'it holds 2 frames or pages'
    with pytest.raises(ImageError, match=rf'a\.tif: {message}'):
        read_picture(str(tmp_path / 'a.tif'))


def test_16_bit_colours_that_are_multiplied_by_alpha_are_freed_of_it(tmp_path):
    alpha = ALPHA.astype(np.uint16) * 257
    multiplied = np.rint(DEEP * (alpha / 65535)[..., None]).astype(np.uint16)
    file = tmp_path / 'a.tif'
    tifffile.imwrite(file, np.dstack([multiplied, alpha]), photometric='rgb', extrasamples=['assocalpha'])
    found = tifffile.imread(again(file))
    np.testing.assert_array_equal(found[..., 3], alpha)
    seen = alpha > 30_000
    assert np.abs(found[..., :3].astype(int) - DEEP)[seen].max() <= 2


def test_16_bit_grey_keeps_its_transparent_value(tmp_path):
    grey = np.ascontiguousarray(DEEP[..., 0])
    content = cv2.imencode('.png', grey)[1].tobytes()
    part = chunk(b'tRNS', int(grey[4, 7]).to_bytes(2, 'big'))
    (tmp_path / 'a.png').write_bytes(content[:33] + part + content[33:])
    found = cv2.imread(str(again(tmp_path / 'a.png')), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found[..., 0], grey)
    np.testing.assert_array_equal(found[..., 3], np.where(grey == grey[4, 7], 0, 65535))


@pytest.mark.parametrize('pixels', [PHOTO, DEEP], ids=['8 bits', '16 bits'])
@pytest.mark.parametrize(
    ('resolution', 'expected'),
    [((300, 1), (300, 300)), ((300, 0), None), ((0, 1), None), ((2**32 - 1, 1), None)],
)
def test_a_resolution_that_cannot_be_is_left_out(tmp_path, pixels, resolution, expected):
    file = tmp_path / 'a.tif'
    tifffile.imwrite(file, pixels, photometric='rgb', resolution=(300, 300), resolutionunit='inch')
    content = bytearray(file.read_bytes())
    with tifffile.TiffFile(file) as tiff:
        for name in ('XResolution', 'YResolution'):
            place = tiff.pages[0].tags[name].valueoffset
            content[place : place + 8] = struct.pack('<II', *resolution)
    file.write_bytes(content)
    for extension in ('.tif', '.png', '.jpg', '.bmp', '.webp'):
        assert read_picture(str(file)).dpi == expected
        again(file, extension)


@pytest.mark.parametrize('name', ['scan', 'photo.gif', 'photo.heic', 'photo.bak'])
@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'TIFF', 'BMP'])
def test_without_the_extension_of_an_image_the_format_stays(tmp_path, name, kind):
    Image.fromarray(PHOTO).save(tmp_path / name, kind)
    with Image.open(again(tmp_path / name)) as image:
        assert image.format == kind


@pytest.mark.parametrize(
    ('pixels', 'settings', 'message'),
    [
        (PHOTO.astype(np.float32), {}, '3 channel.* floating-point numbers of 32 bits'),
        (PHOTO[..., 0].astype(np.float16), {}, 'floating-point numbers of 16 bits'),
        (DEEP[..., 0].astype(np.int16), {}, 'signed whole numbers of 16 bits'),
        (DEEP[..., 0].astype(np.uint32), {}, '1 channel.* of whole numbers of 32 bits'),
        (DEEP[..., :2], {'photometric': 'minisblack', 'planarconfig': 'contig'}, '2 channel.* 16 bits'),
    ],
    ids=range(5),
)
def test_tiff_files_of_other_pixels_are_called_what_they_are(tmp_path, pixels, settings, message):
    tifffile.imwrite(tmp_path / 'a.tif', pixels, **settings)
    with pytest.raises(ImageError, match=message) as error:
        read_picture(str(tmp_path / 'a.tif'))
    assert 'not of 8 or 16 bits' not in str(error.value)


def test_jpeg_2000_is_called_by_its_name(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / 'a.jp2')
    with pytest.raises(ImageError, match='it is a JPEG 2000 image'):
        read_picture(str(tmp_path / 'a.jp2'))


def test_damaged_png_files_are_not_told_by_libraries_past_us(tmp_path, capfd):
    for mode in ('RGB', 'RGBA'):
        Image.fromarray(PHOTO).convert(mode).save(tmp_path / 'a.png')
        content = bytearray((tmp_path / 'a.png').read_bytes())
        content[60] ^= 255
        (tmp_path / 'a.png').write_bytes(content)
        with pytest.raises(ImageError):
            read_picture(str(tmp_path / 'a.png'))
    assert capfd.readouterr().err == ''


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize('deep', [False, True])
def test_alpha_is_not_turned_by_xmp_since_the_colours_are_not(tmp_path, deep):
    pixels = np.dstack([PHOTO, ALPHA]).astype(np.uint16 if deep else np.uint8) * (257 if deep else 1)
    content = cv2.imencode('.png', pixels[..., [2, 1, 0, 3]])[1].tobytes()
    part = chunk(b'iTXt', b'XML:com.adobe.xmp\0\0\0\0\0' + XMP)
    (tmp_path / 'a.png').write_bytes(content[:33] + part + content[33:])
    out = cv2.imread(str(again(tmp_path / 'a.png')), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(out[..., [2, 1, 0, 3]], pixels)


@pytest.mark.parametrize('kind', ['PNG', 'WEBP', 'JPEG'])
def test_damaged_exif_is_dropped_and_the_picture_kept(tmp_path, kind):
    settings = {'lossless': True} if kind == 'WEBP' else {'quality': 95}
    file = tmp_path / f'a.{kind.lower()}'
    Image.fromarray(PHOTO).save(file, kind, **settings, exif=b'Exif\0\0garbage, no TIFF')
    picture = read_picture(str(file))
    assert picture.exif is None
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < (4 if kind == 'JPEG' else 0.01)
    with Image.open(again(file)) as image:
        assert not image.getexif()


@pytest.mark.parametrize('orientation', [3, 6])
@pytest.mark.parametrize('deep', [False, True])
def test_colours_and_alpha_are_turned_alike_where_decoders_read_exif_differently(tmp_path, deep, orientation):
    pixels = np.dstack([PHOTO, ALPHA]).astype(np.uint16 if deep else np.uint8) * (257 if deep else 1)
    content = cv2.imencode('.png', pixels[..., [2, 1, 0, 3]])[1].tobytes()
    # Of the type 0xAC, which nobody knows: OpenCV takes the orientation all the same, Pillow does not.
    damaged = struct.pack('>2sHIHHHIHHI', b'MM', 42, 8, 1, 0x112, 0xAC, 1, orientation, 0, 0)
    (tmp_path / 'a.png').write_bytes(content[:33] + chunk(b'eXIf', damaged) + content[33:])
    assert not np.array_equal(decode_image((tmp_path / 'a.png').read_bytes(), 'a'), pixels[..., :3])
    found = read_picture(str(tmp_path / 'a.png'))
    np.testing.assert_array_equal(np.dstack([found.pixels, found.alpha]), pixels)
    again(tmp_path / 'a.png')


LONG = 1_200_000


@pytest.mark.parametrize('behind', [False, True])
@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'P'])
def test_a_long_text_in_a_png_is_no_reason_to_refuse_it(tmp_path, mode, behind):
    """Pillow reads a megabyte of each, and lets go of the picture if there is more."""
    Image.fromarray(PHOTO).convert(mode).save(tmp_path / 'a.png')
    content = (tmp_path / 'a.png').read_bytes()
    parts = chunk(b'zTXt', b'Raw profile type APP1\0\0' + zlib.compress(b'41' * LONG))
    parts += chunk(b'iTXt', b'XML:com.adobe.xmp\0\1\0\0\0' + zlib.compress(b'x' * LONG))
    parts += chunk(b'zTXt', b'Raw profile type exif\0\0' + zlib.compress(b'00' * LONG))
    place = len(content) - 12 if behind else 33
    (tmp_path / 'b.png').write_bytes(content[:place] + parts + content[place:])
    parts += chunk(b'eXIf', exif().tobytes().removeprefix(b'Exif\0\0'))
    (tmp_path / 'c.png').write_bytes(content[:place] + parts + content[place:])
    expected, found, with_exif = (read_picture(str(tmp_path / f'{name}.png')) for name in 'abc')
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert (found.alpha is None) == (mode != 'RGBA')
    assert found.exif is None
    assert b'Maker' in with_exif.exif


@pytest.mark.parametrize('name', [b'tEXt', b'zTXt'])
def test_exif_that_is_kept_as_a_text_goes_along(tmp_path, name):
    content = cv2.imencode('.png', PHOTO)[1].tobytes()
    raw = exif().tobytes()
    text = f'\nexif\n{len(raw):8}\n{raw.hex()}\n'.encode()
    packed = b'\0' + zlib.compress(text) if name == b'zTXt' else text
    part = chunk(name, b'Raw profile type exif\0' + packed)
    (tmp_path / 'a.png').write_bytes(content[:33] + part + content[33:])
    with Image.open(again(tmp_path / 'a.png')) as image:
        assert image.getexif()[271] == 'Maker'


class Raw(str):
    """Text that Pillow writes in UTF-8."""

    def encode(self, *_):
        return super().encode()


@pytest.mark.parametrize('extension', ['.png', '.jpg', '.webp', '.tif'])
def test_exif_text_stays_byte_for_byte(tmp_path, extension):
    found, text = Image.Exif(), '© 2024 Müller'
    found[0x8298] = Raw(text)
    found.get_ifd(0x8769)[0xA430] = Raw(text)
    Image.fromarray(PHOTO).save(tmp_path / 'a.jpg', exif=found.tobytes())
    with Image.open(again(tmp_path / 'a.jpg', extension)) as image:
        written = image.getexif()
        assert written[0x8298].encode('latin-1') == text.encode()
        assert written.get_ifd(0x8769)[0xA430].encode('latin-1') == text.encode()


def test_16_bit_tiff_keeps_text_byte_for_byte(tmp_path):
    text = '© 2024 Müller'.encode()
    tifffile.imwrite(tmp_path / 'a.tif', DEEP, metadata=None, extratags=[(33432, 2, 0, text, True)])
    with Image.open(again(tmp_path / 'a.tif')) as image:
        assert image.tag_v2[33432].encode('latin-1') == text


@pytest.mark.parametrize('extension', ['.png', '.jpg', '.webp', '.tif'])
@pytest.mark.parametrize('interop', [{1: 'R03', 2: b'0100'}, 4])
def test_the_interoperability_ifd_goes_along_and_a_dangling_pointer_does_not(tmp_path, extension, interop):
    found = exif()
    found.get_ifd(0x8769)[0xA005] = interop
    Image.fromarray(PHOTO).save(tmp_path / 'a.jpg', exif=found.tobytes())
    with Image.open(again(tmp_path / 'a.jpg', extension)) as image:
        written = image.getexif()
        assert written.get_ifd(0x8769)[0x9003] == '2020:01:02 03:04:05'
        assert (0xA005 in written.get_ifd(0x8769)) == (interop != 4)
        assert written.get_ifd(0xA005) == (interop if interop != 4 else {})


GREY_ICC = ICC[:16] + b'GRAY' + ICC[20:]


def test_the_profile_of_a_lab_picture_is_not_that_of_its_rgb(tmp_path):
    lab = ImageCms.createProfile('LAB')
    turn = ImageCms.buildTransform(ImageCms.createProfile('sRGB'), lab, 'RGB', 'LAB')
    image = ImageCms.applyTransform(Image.fromarray(PHOTO), turn)
    image.save(tmp_path / 'a.tif', icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    with Image.open(again(tmp_path / 'a.tif')) as found:
        assert found.mode == 'RGB'
        assert 'icc_profile' not in found.info


@pytest.mark.parametrize('shape', [(33, 50), (1, 1), (1, 50), (33, 1)])
def test_16_bit_grey_with_alpha_stays_grey_and_its_profile_true(tmp_path, shape):
    height, width = shape
    pixels = np.dstack([DEEP[:height, :width, 0], ALPHA[:height, :width].astype(np.uint16) * 257 + 1])
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in pixels)
    header = width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + bytes([16, 4, 0, 0, 0])
    parts = [chunk(b'IHDR', header), chunk(b'iCCP', b'x\0\0' + zlib.compress(GREY_ICC))]
    parts += [chunk(b'IDAT', zlib.compress(rows)), chunk(b'IEND', b'')]
    (tmp_path / 'a.png').write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(parts))
    out = again(tmp_path / 'a.png')
    assert out.read_bytes()[24:26] == bytes([16, 4])  # bits, colour type
    found = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found[..., [0, 3]], pixels)
    assert Image.open(out).info['icc_profile'] == GREY_ICC
    # WebP has no grey.
    with Image.open(again(tmp_path / 'a.png', '.webp')) as image:
        assert 'icc_profile' not in image.info


COLOURS = {b'gAMA': bytes([0, 1, 134, 160]), b'cHRM': bytes(range(32)), b'cICP': bytes([9, 16, 0, 1])}


@pytest.mark.parametrize('pixels', [PHOTO, DEEP, PHOTO[..., 0]], ids=['8 bits', '16 bits', 'grey'])
def test_a_png_still_says_which_colours_its_numbers_stand_for(tmp_path, pixels):
    content = cv2.imencode('.png', np.ascontiguousarray(pixels))[1].tobytes()
    parts = b''.join(chunk(name, value) for name, value in COLOURS.items())
    (tmp_path / 'a.png').write_bytes(content[:33] + parts + content[33:])
    out = again(tmp_path / 'a.png')
    assert out.read_bytes().count(parts) == 1
    np.testing.assert_array_equal(read_picture(str(out)).pixels, read_picture(str(tmp_path / 'a.png')).pixels)
    assert b'cICP' not in again(tmp_path / 'a.png', '.jpg').read_bytes()


@pytest.mark.parametrize('kind', ['JPEG', 'WEBP'])
def test_xmp_goes_along_without_the_orientation_that_has_been_applied(tmp_path, kind):
    element = b'<tiff:Orientation>6</tiff:Orientation>'
    title = b'<dc:title>A street</dc:title>'
    xmp = XMP.replace(b'/></x:', b'>' + title + element + b'</rdf:Description></x:')
    file = tmp_path / f'a.{kind.lower()}'
    Image.fromarray(PHOTO).save(file, kind, xmp=xmp, exif=exif(6).tobytes())
    with Image.open(again(file)) as image:
        assert title in image.info['xmp']
        assert b'Orientation' not in image.info['xmp']
        assert image.getexif().get(0x0112, 1) == 1  # Pillow listens to XMP


@pytest.mark.parametrize('part', [b'GCamera:MotionPhoto="1"', b'xmpNote:HasExtendedXMP="0123"'])
def test_xmp_of_parts_that_are_not_written_is_left_out(tmp_path, part):
    xmp = XMP.replace(b'tiff:Orientation="6"', part)
    Image.fromarray(PHOTO).save(tmp_path / 'a.jpg', xmp=xmp)
    with Image.open(again(tmp_path / 'a.jpg')) as image:
        assert 'xmp' not in image.info
