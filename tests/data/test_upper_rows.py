"""Only the rows that a crop needs are decoded where the format allows it; the crop is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cclgan_plugin.data import UnpairedImageDataset, upper_rows
from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.upper_rows import decode_upper

Encode = Callable[..., bytes]


def _photograph(index: int, height: int = 60, width: int = 70) -> np.ndarray:
    small = np.random.default_rng(index).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize('rows', [1, 17, 59, 60])
def test_a_jpeg_is_decoded_down_to_the_row(encode: Encode, rows: int) -> None:
    data = encode(_photograph(0), 'JPEG')
    asked = []
    image, height = decode_upper(data, 'x', lambda *size: asked.append(size) or rows)
    assert asked == [(60, 70)]
    assert (image.shape, height) == ((rows, 70, 3), 60)
    np.testing.assert_array_equal(image, decode_image(data, 'x')[:rows])


@pytest.mark.parametrize(
    ('kind', 'settings'),
    [('PNG', {}), ('BMP', {}), ('WEBP', {'lossless': True}), ('JPEG', {'progressive': True})],
)
def test_others_are_decoded_whole(encode: Encode, kind: str, settings: dict[str, bool]) -> None:
    data = encode(_photograph(0), kind, **settings)
    image, height = decode_upper(data, 'x', lambda height, width: 20)
    assert height == 60
    np.testing.assert_array_equal(image, decode_image(data, 'x'))


def test_a_bad_file_is_named(encode: Encode) -> None:
    data = encode(_photograph(0), 'JPEG')
    with pytest.raises(ImageError, match=r'rain/photo\.jpg: .*truncated'):
        decode_upper(data[:-50], 'rain/photo.jpg', lambda height, width: 20)


@pytest.mark.parametrize(
    'options', [{}, {'uint8': True}, {'synthetic_rain': {'fraction': 0.5}}, {'gt_size': 100}, {'resize': 40}]
)
def test_crops_are_those_of_whole_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    """Of most images only a part of the rows is decoded, of small ones and before a resize all."""
    for side in ('rainy', 'clean'):
        (tmp_path / side).mkdir()
        for index in range(4):
            cv2.imwrite(
                str(tmp_path / side / f'{index}.jpg'), _photograph(index, height=60 + 40 * (index % 2))
            )

    def samples() -> list[dict[str, object]]:
        dataset = UnpairedImageDataset(
            {
                'manual_seed': 0,
                'phase': 'train',
                'dataroot_lq': str(tmp_path / 'rainy'),
                'dataroot_gt': str(tmp_path / 'clean'),
                'io_backend': {'type': 'disk'},
                'gt_size': 32,
                **options,
            }
        )
        sampler = dataset.make_sampler(ratio=3)
        return [dataset[key] for key in sampler]

    taken = samples()
    monkeypatch.setattr(upper_rows, 'decode_upper_rows', lambda *_: None)
    for one, other in zip(taken, samples(), strict=True):
        assert one['lq_path'] == other['lq_path']
        assert torch.equal(one['lq'], other['lq'])
        assert torch.equal(one['gt'], other['gt'])
