"""Rain on a photograph: streaks and veil, mixed with the scene in linear light."""

from __future__ import annotations

import numpy as np

from cclgan_plugin.data.linear_light import luminance, to_linear, to_srgb
from cclgan_plugin.data.rain_params import RainParams
from cclgan_plugin.data.rain_streaks import draw, fall


def render_rain(
    image: np.ndarray, params: RainParams, rng: np.random.Generator
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

    Returns:
        The rainy image, float32 ``(H, W, 3)``, sRGB in [0, 1]; and the share of each pixel that streaks
        cover, float32 ``(H, W)`` in [0, 1], without the veil.

    Raises:
        ValueError: the image has another shape or is not of a float type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f'a float image (H, W, 3) in [0, 1] was expected, not {image.dtype} {image.shape}')
    scene = to_linear(image)
    drop_light = params.brightness * _sky_light(scene)
    height, width = image.shape[:2]
    mask = 1 - np.exp(-draw(fall(height, width, params, rng), height, width))
    covered = mask[..., None]
    veiled = scene + params.veil * (drop_light - scene)
    return to_srgb(veiled + covered * (drop_light - veiled)), mask


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
