"""Between sRGB values and linear light (IEC 61966-2-1), where light may be added and mixed."""

from __future__ import annotations

import numpy as np


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] becomes light in [0, 1], float32 of the same shape."""
    srgb = srgb.astype(np.float32, copy=False)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** np.float32(2.4))


def to_srgb(light: np.ndarray) -> np.ndarray:
    """Light becomes sRGB in [0, 1], float32 of the same shape; light outside of [0, 1] is clipped."""
    light = np.clip(light.astype(np.float32, copy=False), 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** np.float32(1 / 2.4) - 0.055)


def luminance(light: np.ndarray) -> np.ndarray:
    """Relative luminance of linear light ``(..., 3)`` by the weights of BT.709."""
    return light @ np.array([0.2126, 0.7152, 0.0722], light.dtype)
