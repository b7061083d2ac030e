"""Rain on a photograph: streaks and veil, mixed with the scene in linear light."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cclgan_plugin.data.linear_light import luminance, to_linear, to_srgb
from cclgan_plugin.data.rain_params import RainParams
from cclgan_plugin.data.rain_streaks import draw, fall


class Window(NamedTuple):
    """Which part of a photograph an image is.

    Attributes:
        top: the row of the photograph at which the image begins.
        height, width: of the photograph in pixels.
    """

    top: int
    height: int
    width: int


def render_rain(
    image: np.ndarray, params: RainParams, rng: np.random.Generator, window: Window | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Lets it rain on a photograph.

    A drop refracts light from nearly the whole scene, mostly sky, into the camera and covers a point of
    the background for a small part of the exposure (Garg and Nayar 2007). With share a the pixel becomes
    (1 - a) background + a drop, in linear light: bright streaks before dark ground, hardly any before
    the sky.

    Args:
        image: ``(H, W, 3)``, sRGB in [0, 1], any float type.
        params: the rain.
        rng: decides everything random.
        window: where a crop comes from, so that it gets the rain of its photograph; None = the image is one.

    Returns:
        The rainy image, float32 ``(H, W, 3)``, sRGB in [0, 1]; and the share of each pixel that streaks
        cover, float32 ``(H, W)`` in [0, 1], without veil and mist.

    Raises:
        ValueError: the image has another shape or is not of a float type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f'a float image (H, W, 3) in [0, 1] was expected, not {image.dtype} {image.shape}')
    scene = to_linear(image)
    drop_light = params.brightness * _sky_light(scene)
    height, width = image.shape[:2]
    window = window or Window(0, height, width)
    side = min(window.height, window.width)
    mask = 1 - np.exp(-draw(fall(height, width, params, rng, side), height, width))
    covered = mask[..., None]
    veiled = scene + _far_rain(params, height, window) * (drop_light - scene)
    return to_srgb(veiled + covered * (drop_light - veiled)), mask


def _far_rain(params: RainParams, height: int, window: Window) -> np.ndarray:
    """The share of light from drops too far away to be seen, by row, ``(height, 1, 1)``.

    The distance of what a photograph shows is not known; mostly it grows towards the upper edge.
    """
    row = (window.top + np.arange(height, dtype=np.float32) + 0.5) / window.height
    mist = params.mist * (1 - row.clip(0, 1))
    return (1 - (1 - params.veil) * (1 - mist))[:, None, None]


def _sky_light(scene: np.ndarray) -> np.ndarray:
    """The light of an overcast sky above a scene: as bright as its bright parts, and nearly grey, ``(3,)``.

    At least a moderate brightness, since the camera's exposure leaves a sky brighter than the ground.
    """
    light = luminance(scene)
    bright = scene[light >= np.quantile(light[::4, ::4], 0.95)]
    colour = bright.mean(axis=0) if len(bright) else scene.reshape(-1, 3).mean(axis=0)
    level = max(float(luminance(colour)), 0.6)
    tint = colour / max(float(luminance(colour)), 1e-3)
    return level * (0.75 + 0.25 * tint.clip(0, 3))
