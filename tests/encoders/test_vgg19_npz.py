"""8-bit VGG19 weights give the features of an independent program, and damaged archives are named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from cclgan_plugin.encoders import build_encoder
from cclgan_plugin.errors import WeightsError

COUNTS = [2, 2, 4, 4, 4]
WIDTHS = [64, 128, 256, 512, 512]


def synthetic_archive() -> dict[str, np.ndarray]:
    """The layout of the real file, with kernels that keep activations in the hundreds."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    inputs = 3
    for block, (count, width) in enumerate(zip(COUNTS, WIDTHS, strict=True), start=1):
        for index in range(1, count + 1):
            name = f'conv{block}_{index}'
            spread = np.float32((2 / (9 * inputs)) ** 0.5 * 3.4 / 255)
            arrays[f'{name}.weight_q'] = rng.integers(0, 256, (width, inputs, 3, 3), dtype=np.uint8)
            arrays[f'{name}.weight_scale'] = spread
            arrays[f'{name}.weight_min'] = np.float32(-127.5 * spread)
            arrays[f'{name}.bias'] = rng.normal(0, 5, width).astype(np.float32)
            inputs = width
    return arrays


def numpy_features(arrays: dict[str, np.ndarray], image: np.ndarray, layers: list[str]) -> list[np.ndarray]:
    """One (3, H, W) image through the network: nine shifted products per convolution, no torch."""
    mean = np.array([123.68, 116.779, 103.939])
    x = 255 * image - mean[:, None, None]
    found = []
    for block, count in enumerate(COUNTS, start=1):
        for index in range(1, count + 1):
            name = f'conv{block}_{index}'
            scale, low = float(arrays[f'{name}.weight_scale']), float(arrays[f'{name}.weight_min'])
            kernel = arrays[f'{name}.weight_q'].astype(np.float64) * scale + low
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
            height, width = x.shape[1:]
            y = np.zeros((len(kernel), height, width)) + arrays[f'{name}.bias'].astype(float)[:, None, None]
            for i in range(3):
                for j in range(3):
                    window = padded[:, i : i + height, j : j + width]
                    y += np.tensordot(kernel[:, :, i, j], window, axes=1)
            x = np.maximum(y, 0)
            if f'relu{block}_{index}' in layers:
                found.append(x)
        height, width = x.shape[1] // 2, x.shape[2] // 2
        x = x[:, : 2 * height, : 2 * width].reshape(len(x), height, 2, width, 2).max(axis=(2, 4))
    return found


def save(arrays: dict[str, np.ndarray], folder: Path) -> Path:
    path = folder / 'vgg19.npz'
    np.savez(path, **arrays)
    return path


def test_features_equal_those_of_an_independent_program(tmp_path: Path) -> None:
    arrays = synthetic_archive()
    layers = ['relu1_1', 'relu1_2', 'relu2_2', 'relu3_4', 'relu4_1', 'relu5_4']
    encoder = build_encoder(
        {'type': 'VGG19Encoder', 'weights': str(save(arrays, tmp_path)), 'layers': layers}
    )
    encoder.check()
    image = np.random.default_rng(1).random((3, 21, 18))
    found = encoder(torch.from_numpy(image)[None])
    for feature, expected in zip(found, numpy_features(arrays, image, layers), strict=True):
        assert expected.max() > 1
        np.testing.assert_allclose(feature[0].numpy(), expected, rtol=1e-10, atol=1e-10 * expected.max())


def test_an_archive_with_python_objects_is_refused_without_running_them(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / 'ran'),)

    arrays = synthetic_archive()
    arrays['conv3_1.bias'] = np.array([Bomb()], dtype=object)
    with pytest.raises(WeightsError, match='not a readable numpy'):
        build_encoder({'type': 'VGG19Encoder', 'weights': str(save(arrays, tmp_path))}).check()
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize(
    ('name', 'array', 'words'),
    [
        ('conv4_2.weight_q', None, '"conv4_2.weight_q" (unsigned 8-bit) is missing'),
        ('conv5_4.bias', None, '"conv5_4.bias" (floating-point) is missing'),
        ('conv1_1.weight_q', np.zeros((64, 3, 3, 3), np.float32), 'should be unsigned 8-bit'),
        ('conv1_1.bias', np.zeros(64, np.int64), 'should be floating-point'),
        ('conv2_1.weight_scale', np.zeros(2, np.float32), 'should be one floating-point'),
        ('conv2_1.weight_q', np.zeros((64, 3, 3, 3), np.uint8), 'instead of (128, 64, 3, 3)'),
    ],
)
def test_a_wrong_array_is_named(tmp_path: Path, name: str, array: np.ndarray | None, words: str) -> None:
    arrays = synthetic_archive()
    arrays.pop(name)
    if array is not None:
        arrays[name] = array
    path = save(arrays, tmp_path)
    with pytest.raises(WeightsError) as caught:
        build_encoder({'type': 'VGG19Encoder', 'weights': str(path), 'layers': ['relu1_1']}).check()
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize('content', [b'', b'not an archive', b'PK\x03\x04 cut off'])
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'vgg19.npz'
    path.write_bytes(content)
    with pytest.raises(WeightsError, match='not a readable numpy'):
        build_encoder({'type': 'VGG19Encoder', 'weights': str(path)}).check()


@pytest.mark.skipif('CCLGAN_VGG19_NPZ' not in os.environ, reason='CCLGAN_VGG19_NPZ names no file')
def test_the_real_file_sees_more_likeness_in_a_shifted_photograph_than_in_another() -> None:
    from skimage import data

    encoder = build_encoder(
        {'type': 'VGG19Encoder', 'weights': os.environ['CCLGAN_VGG19_NPZ'], 'layers': ['relu5_3']}
    )

    def embed(photograph: np.ndarray, left: int) -> torch.Tensor:
        crop = torch.from_numpy(photograph[:224, left : left + 224].copy()).permute(2, 0, 1)[None] / 255
        return encoder(crop)[0].mean(dim=(2, 3)).flatten()

    cat, moved_cat, cup = embed(data.chelsea(), 100), embed(data.chelsea(), 130), embed(data.coffee(), 100)
    likeness = torch.nn.functional.cosine_similarity
    assert likeness(cat, moved_cat, dim=0) > 0.9
    assert likeness(cat, cup, dim=0) < 0.7
