"""The quick search finds exactly what comparing everything with everything finds."""

from __future__ import annotations

import importlib.resources

import cv2
import numpy as np
import pytest

from cclgan_plugin.data import similar_images
from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_signature import mirrored, signature
from cclgan_plugin.data.rain import render_rain
from cclgan_plugin.data.rain_folder import rain_on
from cclgan_plugin.data.rain_params import rain_type
from cclgan_plugin.data.similar_images import best_matches, similar_groups


def _photograph(name: str) -> np.ndarray:
    return decode_image(importlib.resources.files('skimage').joinpath('data', name).read_bytes(), name)


PHOTOGRAPHS = ('astronaut.png', 'chelsea.png', 'coffee.png', 'motorcycle_left.png', 'rocket.jpg')


@pytest.fixture(scope='module')
def photographs() -> list[np.ndarray]:
    return [cv2.resize(_photograph(name), (320, 240), interpolation=cv2.INTER_AREA) for name in PHOTOGRAPHS]


@pytest.fixture
def signatures() -> np.ndarray:
    """300 random ones: every tenth near its predecessor, every twentieth near its predecessor mirrored."""
    rng = np.random.default_rng(0)
    found = rng.normal(size=(300, 256))
    found[1::10] = found[0::10] + 0.4 * rng.normal(size=(30, 256))
    found[3::20] = mirrored(found[2::20]) + 0.4 * rng.normal(size=(15, 256))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    found[7] = 0
    return found.astype(np.float32)


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = one.astype(np.float64), other.astype(np.float64)
    return np.maximum(one @ other.T, one @ mirrored(other).T)


@pytest.mark.parametrize('threshold', [0.3, 0.85, 0.93])
@pytest.mark.parametrize('block', [7, 2048])
def test_the_best_matches_are_those_of_the_whole_product(
    signatures: np.ndarray, threshold: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_images, '_COLUMNS', block)
    one, other = signatures[::2], signatures[1::2]
    whole = _correlations(one, other)
    matches = best_matches(one, other, threshold)
    expected = np.where(whole.max(axis=1) >= threshold, whole.argmax(axis=1), -1)
    np.testing.assert_array_equal(matches.partner, expected)
    np.testing.assert_array_equal(matches.number, (whole >= threshold).sum(axis=1))
    np.testing.assert_allclose(matches.similarity, np.where(expected >= 0, whole.max(axis=1), 0), atol=1e-5)
    assert (matches.number > 0).sum() >= 15


def test_groups_are_what_similarity_connects(signatures: np.ndarray) -> None:
    groups = similar_groups(signatures, 0.85)
    whole = _correlations(signatures, signatures) >= 0.85
    np.fill_diagonal(whole, True)
    reach = np.linalg.matrix_power(whole.astype(float), 8) > 0
    np.testing.assert_array_equal(groups[:, None] == groups[None], reach)
    assert groups.max() + 1 < len(signatures) - 40


def test_a_chain_is_one_group_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar_images, '_ROWS', 3)
    monkeypatch.setattr(similar_images, '_COLUMNS', 4)
    angles = np.linspace(0, np.pi / 2, 12)
    chain = np.zeros((12, 256), np.float32)
    chain[:, 5], chain[:, 100] = np.cos(angles), np.sin(angles)
    order = np.random.default_rng(0).permutation(12)
    assert similar_groups(chain[order], 0.98).max() == 0
    assert similar_groups(chain[order], 0.995).max() == 11


def test_scenes_are_known_again_and_strangers_are_not(photographs: list[np.ndarray]) -> None:
    originals = np.stack([signature(image) for image in photographs])
    changed = []
    for index, image in enumerate(photographs):
        rng = np.random.default_rng(index)
        rainy = render_rain(image.astype(np.float32) / 255, rain_type('rain'), rng)[0]
        eight = (rainy * 255).astype(np.uint8)[:, :: -1 if index % 2 else 1]
        small = cv2.resize(np.ascontiguousarray(eight), (200, 100), interpolation=cv2.INTER_AREA)
        coded = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, 50])[1].tobytes()
        changed.append(signature(decode_image(coded, 'x')[..., ::-1]))
    matches = best_matches(np.stack(changed), originals)
    np.testing.assert_array_equal(matches.partner, np.arange(len(photographs)))
    np.testing.assert_array_equal(matches.number, 1)


@pytest.mark.parametrize('seed', range(4))
def test_a_scene_is_known_again_in_a_storm(photographs: list[np.ndarray], seed: int) -> None:
    dry = photographs[PHOTOGRAPHS.index('coffee.png')]
    rainy = rain_on(np.ascontiguousarray(dry), rain_type('storm'), np.random.default_rng(seed))
    # 0.83 to 0.88 with the streaks in it.
    assert signature(dry) @ signature(rainy) > 0.86


def test_sixteen_bits_make_no_difference(photographs: list[np.ndarray]) -> None:
    eight = photographs[0]
    assert signature(eight) @ signature(eight.astype(np.uint16) * 257) > 0.9999


def test_a_flat_image_resembles_nothing() -> None:
    flat = signature(np.full((40, 50, 3), 90, np.uint8))
    assert not flat.any()
    assert best_matches(flat[None], flat[None]).partner.tolist() == [-1]


def test_no_images() -> None:
    none = np.zeros((0, 256), np.float32)
    assert len(best_matches(none, none).partner) == 0
    assert len(similar_groups(none)) == 0


def test_ten_thousand_images_and_one_pair() -> None:
    rng = np.random.default_rng(0)
    both = (rng.normal(size=(10000, 24)) @ rng.normal(size=(24, 256))).astype(np.float32)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    both[9876] = both[54]
    matches = best_matches(both[:5000], both[5000:], 0.97)
    assert matches.partner[54] == 4876
    assert matches.number.sum() == 1
