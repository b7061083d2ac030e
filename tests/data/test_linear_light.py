"""sRGB and linear light are converted by the standard."""

from __future__ import annotations

import numpy as np
import pytest

from cclgan_plugin.data.linear_light import luminance, to_linear, to_srgb


@pytest.mark.parametrize(
    ('srgb', 'light'), [(0, 0), (0.04, 0.0030960), (0.5, 0.2140411), (0.73536, 0.5), (1, 1)]
)
def test_published_values(srgb: float, light: float) -> None:
    assert to_linear(np.array([srgb])) == pytest.approx(light, abs=1e-5)
    assert to_srgb(np.array([light])) == pytest.approx(srgb, abs=1e-5)


def test_every_8_bit_value_survives_both_ways() -> None:
    values = np.arange(256)
    np.testing.assert_array_equal(np.rint(to_srgb(to_linear(values / 255)) * 255), values)


def test_light_outside_of_the_range_is_clipped() -> None:
    np.testing.assert_allclose(to_srgb(np.array([-0.5, 1.5])), [0, 1], atol=1e-7)


def test_luminance_of_white_and_green() -> None:
    assert luminance(np.array([[1.0, 1, 1], [0, 1, 0]])) == pytest.approx([1, 0.7152])
