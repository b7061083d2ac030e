"""Encoded images come back as they were."""

from __future__ import annotations

import numpy as np
import pytest

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_file import encode_image
from cclgan_plugin.data.image_folder import IMAGE_EXTENSIONS
from cclgan_plugin.errors import DataError


@pytest.mark.parametrize('extension', [*IMAGE_EXTENSIONS, '.PNG'])
@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
def test_every_format_comes_back(picture: np.ndarray, extension: str, dtype: str) -> None:
    image = picture.astype(dtype) * (257 if dtype == 'uint16' else 1)
    back = decode_image(encode_image(image, extension), 'x')
    deep = dtype == 'uint16' and extension.lower() in ('.png', '.tif', '.tiff')
    assert back.dtype == (np.uint16 if deep else np.uint8)
    tolerance = 8 if extension in ('.jpg', '.jpeg', '.jpe', '.jfif') else 0
    assert np.abs(back.astype(int) - (image if deep else picture)).max() <= tolerance


def test_an_image_that_a_format_cannot_hold_is_an_error() -> None:
    with pytest.raises(DataError, match=r'20000x1 as \.webp'):
        encode_image(np.zeros((1, 20000, 3), np.uint8), '.webp')
