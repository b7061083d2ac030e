"""From a decoded image to a training crop: resize, pad, crop, flip, and only then to float."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_file import eight_bits

SMALL_IMAGES = ('pad', 'error')


def resize_to_square(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes to ``size`` x ``size``, whatever the aspect ratio was.

    Each axis on its own: a shrinking one averages over areas, so nothing aliases, a growing one is bilinear.

    Args:
        image: ``(H, W, 3)``, uint8 or uint16.
        size: the new height and width in pixels.
    """
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    shrunk = (min(width, size), min(height, size))
    if shrunk != (width, height):
        image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    return image


def at_least(image: np.ndarray, size: int, small_images: str, name: str) -> np.ndarray:
    """Makes sure that a crop of ``size`` x ``size`` fits.

    Args:
        image: ``(H, W, 3)``.
        size: side of the crop in pixels.
        small_images: ``'pad'``: mirror the image at its edges, as often as it takes, the same on both
            sides; ``'error'``: refuse.
        name: the file or key, for messages.

    Raises:
        ImageError: the image is smaller than the crop and ``small_images`` is ``'error'``.
    """
    height, width = image.shape[:2]
    if height >= size and width >= size:
        return image
    if small_images == 'error':
        raise ImageError(
            f'{name}: the image is {width}x{height} pixels (width x height), smaller than the crop of '
            f'{size}x{size}; choose a smaller gt_size, or small_images: pad to mirror it at its edges'
        )
    missing = [max(size - height, 0), max(size - width, 0)]
    padding = [(amount // 2, amount - amount // 2) for amount in missing]
    return np.pad(image, [*padding, (0, 0)], mode='reflect')


class Place(NamedTuple):
    """Where a crop is taken.

    Attributes:
        top, left: its corner in pixels.
        mirror: whether it is mirrored left to right.
    """

    top: int
    left: int
    mirror: bool


def random_place(height: int, width: int, size: int, use_hflip: bool, rng: np.random.Generator) -> Place:
    """Where a random square of an image is, mirrored left to right half of the time if ``use_hflip``.

    Args:
        height, width: of the image in pixels, at least ``size``.
        size: side of the square in pixels.
        use_hflip: whether to flip at random.
        rng: decides place and flip.
    """
    top = int(rng.integers(height - size + 1))
    left = int(rng.integers(width - size + 1))
    return Place(top, left, bool(use_hflip and rng.integers(2)))


def cut(image: np.ndarray, place: Place, size: int) -> np.ndarray:
    """The square of the image at a place, a view ``(size, size, 3)``."""
    crop = image[place.top : place.top + size, place.left : place.left + size]
    return crop[:, ::-1] if place.mirror else crop


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """``(H, W, 3)`` uint8 or uint16 becomes float32 ``(3, H, W)`` in [0, 1]."""
    channels = _planes(image).astype(np.float32)
    channels /= np.float32(np.iinfo(image.dtype).max)
    return torch.from_numpy(channels)


def to_byte_tensor(image: np.ndarray) -> torch.Tensor:
    """``(H, W, 3)`` uint8 or uint16 becomes uint8 ``(3, H, W)``; of 16 bits the nearest 8 are kept."""
    return torch.from_numpy(_planes(eight_bits(image)))


def _planes(image: np.ndarray) -> np.ndarray:
    """A copy ``(3, H, W)`` of an image ``(H, W, 3)``.

    OpenCV takes pixels apart four times as fast as NumPy transposes them, but knows no views that run
    backwards, as mirrored crops do, and the channels of what OpenCV has decoded. It needs ten times as
    long for planes that begin at an odd multiple of 16 bytes, as NumPy's may; PyTorch's begin at one of 64.
    """
    shape = (3, *image.shape[:2])
    memory = torch.empty(math.prod(shape) * image.itemsize, dtype=torch.uint8)
    planes = memory.numpy().view(image.dtype).reshape(shape)
    mirrored, swapped = (stride < 0 for stride in image.strides[1:])
    forwards = image[:, :: -1 if mirrored else 1, :: -1 if swapped else 1]
    cv2.split(forwards, list(planes[:: -1 if swapped else 1]))
    if mirrored:
        rows = planes.reshape(-1, shape[2])
        cv2.flip(rows, 1, rows)
    return planes
