"""Crops are what the method asks for, and cropping comes before conversion to float."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cclgan_plugin.data.crop import at_least, cut, random_place, resize_to_square, to_byte_tensor, to_tensor
from cclgan_plugin.data.image_error import ImageError


def _mirrored(row: np.ndarray, index: int) -> np.ndarray:
    """Slow reference: walk to and fro along the row, without repeating its ends."""
    position, step = 0, 1
    for _ in range(abs(index)):
        if not 0 <= position + step < len(row):
            step = -step
        position += step if len(row) > 1 else 0
    return row[position]


@pytest.mark.parametrize('width', [1, 2, 3, 7, 19])
def test_small_images_are_mirrored_as_often_as_it_takes(width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (25, width, 3), dtype=np.uint8)
    padded = at_least(image, 20, 'pad', 'x')
    assert padded.shape == (25, 20, 3)
    left = (20 - width) // 2
    for column in range(20):
        # Beyond the left edge the walk is the same as beyond the right edge of the flipped row.
        row = image.swapaxes(0, 1)
        expected = _mirrored(row, column - left)
        np.testing.assert_array_equal(padded[:, column], expected)


def test_images_that_are_large_enough_stay() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    assert at_least(image, 20, 'error', 'x') is image


def test_small_images_can_be_an_error() -> None:
    with pytest.raises(ImageError, match=r'a/b\.png: the image is 30x19 pixels .* crop of 20x20'):
        at_least(np.zeros((19, 30, 3), np.uint8), 20, 'error', 'a/b.png')


def random_crop(image: np.ndarray, size: int, use_hflip: bool, rng: np.random.Generator) -> np.ndarray:
    return cut(image, random_place(*image.shape[:2], size, use_hflip, rng), size)


def test_a_crop_is_a_window_of_the_image_and_every_window_occurs() -> None:
    image = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    windows = {image[y : y + 4, x : x + 4].tobytes() for y in range(2) for x in range(3)}
    flipped = {image[y : y + 4, x : x + 4][:, ::-1].tobytes() for y in range(2) for x in range(3)}
    rng = np.random.default_rng(0)
    assert {random_crop(image, 4, False, rng).tobytes() for _ in range(200)} == windows
    assert {random_crop(image, 4, True, rng).tobytes() for _ in range(400)} == windows | flipped


def test_half_of_the_crops_are_flipped() -> None:
    image = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    rng = np.random.default_rng(0)
    flips = sum(not np.array_equal(random_crop(image, 4, True, rng), image) for _ in range(400))
    assert 160 < flips < 240


@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
def test_tensors_are_channels_first_in_0_to_1(dtype: str) -> None:
    full = np.iinfo(dtype).max
    image = np.array([[[0, full, full // 2], [full, 0, 1]]], dtype)[:, ::-1]
    tensor = to_tensor(image)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 1, 2)
    assert tensor.is_contiguous()
    expected = torch.tensor(image.astype(np.float64) / full).permute(2, 0, 1)
    torch.testing.assert_close(tensor.double(), expected, rtol=0, atol=1e-7)
    assert tensor.max() == 1


@pytest.mark.parametrize('mirrored', [False, True])
@pytest.mark.parametrize('swapped', [False, True])
@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
def test_tensors_of_views_that_run_backwards(mirrored: bool, swapped: bool, dtype: str) -> None:
    whole = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (9, 11, 3), dtype, endpoint=True)
    before = whole.copy()
    view = whole[2:8, :: -1 if mirrored else 1, :: -1 if swapped else 1][:, 3:10]
    plain = torch.from_numpy(np.ascontiguousarray(view).astype(np.float64)).permute(2, 0, 1)
    full = np.iinfo(dtype).max
    torch.testing.assert_close(to_tensor(view).double(), plain / full, rtol=0, atol=1e-7)
    assert torch.equal(to_byte_tensor(view).double(), (plain * 255 / full).round())
    assert np.array_equal(whole, before)


def test_planes_begin_where_opencv_is_fast() -> None:
    # Sizes that NumPy places at odd multiples of 16 bytes too.
    kept = [to_byte_tensor(np.zeros((size, 4, 3), np.uint8)) for size in range(1, 40)]
    assert not any(tensor.data_ptr() % 32 for tensor in kept)


def test_resizing_ignores_the_aspect_ratio_and_does_not_alias() -> None:
    stripes = np.zeros((64, 40, 3), np.uint8)
    stripes[::2] = 255
    shrunk = resize_to_square(stripes, 20)
    assert shrunk.shape == (20, 20, 3)
    # Finer than the new pixels: all that may remain is a weak beat around the mean.
    assert np.abs(shrunk.astype(int) - 128).max() <= 48


@pytest.mark.parametrize('shape', [(10, 50), (50, 10), (10, 10), (50, 50), (20, 20)])
@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
def test_resizing_keeps_a_ramp_a_ramp(shape: tuple[int, int], dtype: str) -> None:
    height, width = shape
    ramp = np.linspace(0, 200, width)[None, :, None] * np.ones((height, 1, 3))
    resized = resize_to_square(ramp.astype(dtype)[..., ::-1], 20)
    assert resized.dtype == dtype
    centres = (np.arange(20) + 0.5) * width / 20 - 0.5
    expected = np.interp(centres, np.arange(width), np.linspace(0, 200, width))
    assert np.abs(resized[5, :, 1] - expected).max() < 2
