"""Deraining from Python: the same kind of picture comes back."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from cclgan_plugin.errors import DataError, OptionError, WeightsError
from cclgan_plugin.inference import Derainer
from cclgan_plugin.inference.built_network import build_network
from cclgan_plugin.inference.exact import whole_image_bytes
from cclgan_plugin.inference.exact.trace import TileError
from cclgan_plugin.inference.memory import budget, check_limit, parse_memory
from cclgan_plugin.inference.weights_file import read_weights

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[100:133, 200:250])


@pytest.fixture
def derainer(weights_file):
    return Derainer.from_pretrained(weights_file, device='cpu')


@pytest.fixture
def expected(derainer):
    """What the network itself makes of the photograph, in [0, 1]."""
    x = torch.from_numpy(PHOTO).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        y = derainer.network(x)
    assert (y - x).abs().mean() > 0.01
    return y[0].permute(1, 2, 0).numpy()


def test_bytes_and_16_bits_and_floats(derainer, expected):
    result = derainer(PHOTO)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, np.rint(expected * 255))
    result = derainer(PHOTO.astype(np.uint16) * 257)
    assert result.dtype == np.uint16
    np.testing.assert_allclose(result, expected * 65535, atol=1)
    for kind in (np.float32, np.float64):
        result = derainer((PHOTO / 255).astype(kind))
        assert result.dtype == kind
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_tensors_alone_and_in_batches(derainer, expected):
    x = torch.from_numpy(PHOTO).permute(2, 0, 1)
    assert derainer(x).dtype == torch.uint8
    np.testing.assert_array_equal(derainer(x).permute(1, 2, 0), np.rint(expected * 255))
    batch = torch.stack([x, x.flip(2)]).float() / 255
    result = derainer(batch)
    assert result.shape == batch.shape
    np.testing.assert_allclose(result[0].permute(1, 2, 0), expected, atol=1e-5)
    assert derainer(batch.double()).dtype == torch.float64


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'CMYK', 'I;16'])
def test_pil_images_of_every_mode(derainer, mode):
    image = Image.fromarray(PHOTO)
    if mode == 'I;16':
        image = Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 257)
    elif mode.endswith('A'):
        image = image.convert(mode)
        image.putalpha(Image.fromarray(np.arange(33 * 50, dtype=np.uint8).reshape(33, 50)))
    else:
        image = image.convert(mode)
    result = derainer(image)
    assert result.size == image.size
    assert result.mode == {'1': 'L', 'P': 'RGB'}.get(mode, mode)
    if mode.endswith('A'):
        np.testing.assert_array_equal(np.asarray(result)[..., -1], np.asarray(image)[..., -1])


def test_grey_arrays_and_alpha(derainer):
    grey = PHOTO[..., 0]
    assert derainer(grey).shape == grey.shape
    np.testing.assert_array_equal(derainer(grey[..., None])[..., 0], derainer(grey))
    alpha = np.dstack([PHOTO, grey])
    np.testing.assert_array_equal(derainer(alpha), np.dstack([derainer(PHOTO), grey]))


@pytest.mark.parametrize('shape', [(1, 1, 3), (1, 20, 3), (33, 1, 3), (2, 3), (7, 9, 4)])
def test_any_size(derainer, shape):
    picture = np.arange(int(np.prod(shape)), dtype=np.uint8).reshape(shape)
    assert derainer(picture).shape == shape


def test_what_came_in_is_not_changed(derainer):
    for picture in (PHOTO / 255, torch.rand(3, 20, 20)):
        before = picture.copy() if isinstance(picture, np.ndarray) else picture.clone()
        derainer(picture)
        assert (picture == before).all()


@pytest.mark.parametrize(
    ('picture', 'message'),
    [
        ('photo.png', 'expected an array, a tensor or a PIL image, got str'),
        (np.zeros((2, 3, 4, 3), np.uint8), r'shape \(2, 3, 4, 3\); expected \(H, W\)'),
        (np.zeros((8, 8, 2), np.uint8), 'shape'),
        (np.zeros((0, 8, 3), np.uint8), 'has no pixels'),
        (np.zeros((8, 8, 3), np.int32), 'int32; expected uint8'),
        (np.full((8, 8, 3), 200.0), r'from 200 to 200; .* \[0, 1\]'),
        (np.full((8, 8, 3), np.nan), 'nan'),
        (torch.zeros(8, 8), 'shape'),
        (torch.zeros(3, 8, 8, dtype=torch.int64), 'int64'),
        (Image.new('F', (8, 8)), 'mode F'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_picture_is_refused(derainer, picture, message):
    with pytest.raises(DataError, match=message):
        derainer(picture)


def test_the_memory_limit_leads_to_bands_with_the_same_result(derainer, monkeypatch):
    from cclgan_plugin.inference import derainer as module

    picture = torch.rand(3, 300, 200)
    whole = derainer(picture)
    assert not derainer.used_bands
    # What is left of a limit depends on what the process holds already.
    monkeypatch.setattr(module, 'budget', lambda limit, device: 4_000_000)
    derainer.memory = 1
    in_bands = derainer(picture)
    assert derainer.used_bands
    torch.testing.assert_close(in_bands, whole, rtol=0, atol=1e-4)


def test_a_batch_that_does_not_fit_goes_in_one_piece_each_where_one_does(derainer, monkeypatch):
    batch = torch.rand(3, 3, 300, 200)
    whole = derainer(batch)
    alone = whole_image_bytes(derainer.network, (1, 3, 300, 200), derainer.device, derainer.dtype)
    sizes, in_one_piece = [], derainer._in_one_piece
    monkeypatch.setattr(
        derainer, '_in_one_piece', lambda images: (sizes.append(len(images)), in_one_piece(images))[1]
    )
    monkeypatch.setattr('cclgan_plugin.inference.derainer.budget', lambda limit, device: int(1.9 * alone))
    derainer.memory = 1
    torch.testing.assert_close(derainer(batch), whole, rtol=0, atol=1e-6)
    assert sizes == [1, 1, 1]
    assert not derainer.used_bands


@pytest.mark.parametrize('default', ['float64', 'meta'])
def test_the_callers_default_type_and_device_change_nothing(weights_file, derainer, monkeypatch, default):
    picture = np.resize(PHOTO, (300, 200, 3))
    expected = derainer(picture)
    try:
        if default == 'meta':
            torch.set_default_device(default)
        else:
            torch.set_default_dtype(torch.float64)
        other = Derainer.from_pretrained(weights_file, device='cpu')
        np.testing.assert_array_equal(other(picture), expected)
        monkeypatch.setattr('cclgan_plugin.inference.derainer.budget', lambda limit, device: 4_000_000)
        other.memory = 1
        in_bands = other(torch.from_numpy(picture).permute(2, 0, 1))
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert other.used_bands
    assert np.abs(in_bands.permute(1, 2, 0).numpy().astype(int) - expected).max() <= 1


def test_a_network_that_bands_do_not_know_gets_large_pictures_in_one_piece():
    shuffled = torch.nn.Sequential(torch.nn.PixelUnshuffle(2), torch.nn.PixelShuffle(2))
    picture = np.resize(PHOTO, (516, 516, 3))
    for memory in (None, '64G'):
        derainer = Derainer(shuffled, device='cpu', memory=memory)
        np.testing.assert_array_equal(derainer(picture), picture)
        assert not derainer.used_bands
    with pytest.raises(TileError, match='pixel_'):
        Derainer(shuffled, device='cpu', memory='1M')(picture)


def test_a_limit_holds_for_networks_that_bands_do_not_know(monkeypatch):
    """Without one, one piece is the only way."""
    net = torch.nn.Sequential(
        torch.nn.PixelUnshuffle(2),
        *(torch.nn.Conv2d(12, 64, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(64, 12, 3, padding=1)),
        torch.nn.PixelShuffle(2),
    )
    picture = torch.rand(3, 600, 500)
    # 64 maps of 300x250 in float32 are 19 MB.
    monkeypatch.setattr('cclgan_plugin.inference.derainer.budget', lambda limit, device: 15_000_000)
    derainer = Derainer(net, device='cpu', memory='64G')
    with pytest.raises(TileError, match='do not know the operation'):
        derainer(picture)
    derainer = Derainer(net, device='cpu')
    assert derainer(picture).shape == picture.shape
    assert not derainer.used_bands


class FromEven(torch.nn.Module):
    """Takes even heights only, and makes an even width of any."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[2] % 2 == 0
        return x[..., : x.shape[3] // 2 * 2]


def test_a_picture_that_the_network_refuses_or_cuts_is_an_error_of_that_picture():
    derainer = Derainer(FromEven(), device='cpu')
    np.testing.assert_array_equal(derainer(PHOTO[:32, :40]), PHOTO[:32, :40])
    with pytest.raises(DataError, match='the network fails on 40x33 pixels: AssertionError'):
        derainer(PHOTO[:33, :40])
    with pytest.raises(DataError, match='the network makes 40x32 pixels of 41x32 pixels'):
        derainer(PHOTO[:32, :41])


def test_values_that_are_no_numbers_do_not_become_black():
    class Broken(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 0 * 0

    tensor = torch.from_numpy(PHOTO).permute(2, 0, 1)
    for picture in (PHOTO, PHOTO / 255, PHOTO[..., 0], Image.fromarray(PHOTO), tensor, tensor / 255):
        with pytest.raises(DataError, match='values that are no numbers'):
            Derainer(Broken(), device='cpu')(picture)


@pytest.mark.skipif(sys.platform != 'linux', reason='glibc keeps what was freed')
def test_what_was_freed_before_does_not_count_as_used():
    def left() -> int:
        return budget(2**40, torch.device('cpu'))

    before = left()
    pieces = [bytearray(100_000) for _ in range(2_000)]  # below what malloc gives back by itself
    assert left() < before - 150_000_000
    last = pieces[-1]
    del pieces
    assert left() > before - 30_000_000
    assert len(last) == 100_000


def test_the_default_works_offline(monkeypatch):
    monkeypatch.setenv('CCLGAN_OFFLINE', '1')
    assert Derainer.from_pretrained(device='cpu')(PHOTO).shape == PHOTO.shape


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('derain-smal', 'no such model in the zoo. Did you mean "derain-small"'),
        ('cclgan://nothing', 'the Model Zoo has no "nothing"'),
        ('.', 'this is a folder'),
    ],
)
def test_names_that_are_none(name, message):
    with pytest.raises(WeightsError, match=message):
        Derainer.from_pretrained(name)


def test_devices_and_precisions_that_are_none(weights_file):
    with pytest.raises(OptionError, match='device "gpu"'):
        Derainer.from_pretrained(weights_file, device='gpu')
    with pytest.raises(OptionError, match='Did you mean "float16"'):
        Derainer.from_pretrained(weights_file, dtype='flot16')


def test_half_precision_is_near(weights_file, derainer):
    half = Derainer.from_pretrained(weights_file, device='cpu', dtype='half')
    assert half.dtype == torch.bfloat16
    assert np.abs(half(PHOTO).astype(int) - derainer(PHOTO)).mean() < 4


@pytest.mark.parametrize(
    ('text', 'size'),
    [('2G', 2 << 30), ('1.5GiB', 3 << 29), ('800m', 800 << 20), ('7', 7), (np.int64(2 << 30), 2 << 30)],
)
def test_amounts_of_memory(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    'text', ['', 'much', '-1G', '0', '2X', 0, -5, True, 1.5, '9' * 400, f'{2**64}', np.int64(-1)]
)
def test_amounts_that_are_none(text):
    with pytest.raises(OptionError, match='expected an amount such as'):
        parse_memory(text)


def test_a_limit_below_what_the_program_takes_is_told_at_once():
    check_limit(2**40, torch.device('cpu'))
    with pytest.raises(OptionError, match=r'^--memory: 1 MiB are allowed, .* alone takes \d+ MiB'):
        check_limit(2**20, torch.device('cpu'))


def test_complex_weights_are_refused_rather_than_cut(weights_file):
    weights = read_weights(weights_file)
    name = next(iter(weights.tensors))
    tensors = {**weights.tensors, name: weights.tensors[name].to(torch.complex64)}
    with pytest.raises(WeightsError, match=f'a file: {name}: complex numbers'):
        build_network(replace(weights, tensors=tensors), 'a file')


def test_16_bits_in_the_other_order_and_in_tensors(derainer):
    deep = PHOTO.astype(np.uint16) * 257
    expected = derainer(deep)
    other = derainer(deep.astype('>u2'))
    assert other.dtype == '>u2'
    np.testing.assert_array_equal(other, expected)
    tensor = derainer(torch.from_numpy(deep).permute(2, 0, 1))
    assert tensor.dtype == torch.uint16
    assert np.abs(tensor.permute(1, 2, 0).numpy().astype(int) - expected).max() <= 1


def test_what_comes_back_may_take_part_in_a_training(derainer):
    weight = torch.ones(1, requires_grad=True)
    (derainer(torch.rand(3, 20, 20)) * weight).sum().backward()
    assert weight.grad is not None


def test_pil_images_keep_profile_exif_and_resolution(derainer):
    image = Image.fromarray(PHOTO)
    about = {'icc_profile': b'profile', 'dpi': (300, 300), 'exif': Image.Exif().tobytes()}
    image.info.update(about, transparency=(1, 2, 3))
    result = derainer(image)
    assert {key: result.info.get(key) for key in about} == about
    assert 'transparency' not in result.info


def test_pictures_of_a_size_are_asked_for_their_memory_once(derainer, monkeypatch):
    asked = []

    def bytes_of(network, shape, device, dtype):
        asked.append(shape)
        return 0

    monkeypatch.setattr('cclgan_plugin.inference.derainer.whole_image_bytes', bytes_of)
    derainer.memory = parse_memory('100G')
    for picture in (PHOTO, PHOTO, PHOTO[:30], PHOTO):
        derainer(picture)
    assert asked == [(1, 3, 33, 50), (1, 3, 30, 50)]
