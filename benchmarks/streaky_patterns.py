"""What networks that know bars and grass still took for rain: spotted fur, hair and bark, and rows of dots.

Drawn on photographs, all over or in a part, mostly light on dark, as the patterns that were mistaken are.
"""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.streak_like import soft_part

Image = np.ndarray


def with_pattern(image: Image, rng: np.random.Generator) -> Image:
    """The picture with one such pattern on it.

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        rng: decides which, where and how.

    Returns:
        A new picture of the same shape and type.
    """
    pattern = [_spots, _strands, _dots][int(rng.choice(3, p=[0.4, 0.4, 0.2]))]
    coverage = pattern(image.shape[:2], rng)
    light, dark = rng.uniform(110, 255) + rng.normal(0, 15, 3), rng.uniform(0, 110) + rng.normal(0, 15, 3)
    if rng.random() < 0.2:
        light, dark = dark, light
    # Sparse bright threads all over a photograph are rain: these have a ground of their own, and an end.
    thread = pattern is _strands
    # Else the ground is dyed, or the photograph's own; its light and shade remain in either.
    shade = cv2.GaussianBlur(image, (0, 0), 4).mean(axis=2, keepdims=True).astype(np.float32)
    shade = (shade / max(float(shade.mean()), 1)).clip(0.4, 1.6)
    dye = rng.uniform(0.6, 1) if thread or rng.random() < 0.7 else 0.0
    ground = image * (1 - dye) + dark * shade * dye
    amount = (coverage * rng.uniform(0.4, 1))[..., None]
    patterned = ground * (1 - amount) + light * shade * amount
    if thread or rng.random() < 0.6:
        where = soft_part(coverage.shape, rng)[..., None]
        patterned = image * (1 - where) + patterned * where
    return np.rint(patterned.clip(0, 255)).astype(np.uint8)


def _noise(shape: tuple[int, ...], across: float, along: float, rng: np.random.Generator) -> Image:
    """Noise of standard deviation 1, smooth over so many pixels across and along."""
    noise = rng.normal(0, 1, shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=across, sigmaY=along)
    return (noise - noise.mean()) / (noise.std() + 1e-6)


def _bent(pattern: Image, shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """A piece of a larger pattern, turned to any direction and bent."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.normal(0, 0.5) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    u = (x - width / 2) * np.cos(angle) + (y - height / 2) * np.sin(angle)
    v = (y - height / 2) * np.cos(angle) - (x - width / 2) * np.sin(angle)
    swing, period = rng.uniform(0, 0.25), rng.uniform(60, 300)
    u += swing * period * np.sin(v / period + rng.uniform(0, 6.28))
    v += swing * period * np.sin(u / period + rng.uniform(0, 6.28))
    middle = pattern.shape[0] / 2
    at = [(axis + middle).astype(np.float32) for axis in (u, v)]
    return cv2.remap(pattern.astype(np.float32), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _side(shape: tuple[int, ...]) -> int:
    return int(np.hypot(*shape)) + 40


def _spots(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Islands of any outline, or the net between them: leopards, giraffes, eels, lichen, foam."""
    side = (_side(shape),) * 2
    size, stretch = np.exp(rng.uniform(np.log(0.8), np.log(6))), rng.uniform(1, 1.8)
    noise = _noise(side, size, size * stretch, rng) - 0.6 * _noise(side, 2 * size, 2 * size * stretch, rng)
    value = 1 - np.abs(noise) * rng.uniform(1.5, 3) if rng.random() < 0.4 else noise - rng.uniform(-0.4, 0.6)
    edge = rng.uniform(0.1, 0.5)
    return _bent((value / edge + 0.5).clip(0, 1), shape, rng)


def _strands(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Threads beside each other: hair, fur, straw, bark, brushed metal, ripples."""
    side = (_side(shape),) * 2
    thin, long = rng.uniform(0.6, 2.2), np.exp(rng.uniform(np.log(6), np.log(50)))
    noise = _noise(side, thin, long, rng)
    lit = _noise(side, 12, 24, rng)
    value = (noise - rng.uniform(-0.6, 0.5)) / rng.uniform(0.3, 1.5)
    # Hair shines in places.
    return _bent(value.clip(0, 1) * (0.5 + 0.5 * lit).clip(0, 1), shape, rng)


def _dots(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Dots in rows, round or long: sequins, holes, beads, windows, bulbs."""
    side = _side(shape)
    v, u = np.mgrid[:side, :side].astype(np.float32)
    across, along = np.exp(rng.uniform(np.log(5), np.log(24), 2))
    row = np.floor(v / along)
    # Every other row may be shifted, as bricks are.
    column_of = u / across + 0.5 * (row % 2) * (rng.random() < 0.5)
    column = np.floor(column_of)
    number = (row * 7919 + column).astype(int)
    number -= number.min()
    count = int(number.max()) + 1
    size = rng.uniform(0.25, 0.45) * (1 - rng.uniform(0, 0.5) * rng.uniform(0, 1, count))
    bright = np.where(rng.random(count) < rng.uniform(0, 0.4), 0.0, rng.uniform(0.4, 1, count))
    away = np.hypot(column_of - column - 0.5, v / along - row - 0.5)
    inside = ((size[number] - away) * min(across, along) + 0.5).clip(0, 1)
    return _bent(inside * bright[number], shape, rng)
