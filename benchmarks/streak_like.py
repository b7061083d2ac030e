"""What looks like rain and is none: bars, stripes, blades of grass, writing and grain, drawn on photographs.

A network that has seen too few of these takes zebras and railings for streaks.
"""

from __future__ import annotations

import cv2
import numpy as np

Image = np.ndarray


def with_streak_like(image: Image, rng: np.random.Generator) -> Image:
    """The picture with one or two kinds of such things on it.

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        rng: decides which, where and how.

    Returns:
        A new picture of the same shape and type.
    """
    drawn = image.astype(np.float32)
    kinds = rng.choice([_stripes, _bars, _blades, _writing, _grain], size=rng.integers(1, 3), replace=False)
    for kind in kinds:
        drawn = kind(drawn, rng)
    return np.rint(drawn.clip(0, 255)).astype(np.uint8)


def _stripes(image: Image, rng: np.random.Generator) -> Image:
    """Stripes of one width in waves, as on zebras, blinds, cloth and lattices."""
    coverage = _bands(image.shape, rng, wave=rng.uniform(0, 2), jitter=0.0)
    if rng.random() < 0.35:
        coverage = np.maximum(coverage, _bands(image.shape, rng, wave=0.0, jitter=0.0))
    return _paint(image, coverage, rng)


def _bars(image: Image, rng: np.random.Generator) -> Image:
    """Bars of uneven width and brightness, most of them upright: railings, trunks, reeds, pipes."""
    return _paint(image, _bands(image.shape, rng, wave=rng.uniform(0, 0.3), jitter=rng.uniform(0.3, 1)), rng)


def _bands(shape: tuple[int, ...], rng: np.random.Generator, wave: float, jitter: float) -> Image:
    """How much each pixel belongs to a band, ``(H, W)`` in [0, 1].

    Args:
        shape: of the picture.
        rng: decides the rest.
        wave: swing of the bands in periods.
        jitter: 0 = all alike, 1 = of any width and brightness.
    """
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    angle = rng.normal(0, 0.35) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    period = np.exp(rng.uniform(np.log(3), np.log(40)))
    # Seen in perspective, the far ones stand closer together.
    scale = 1 + rng.uniform(-0.6, 0.6) * y / shape[0]
    phase = (x * np.cos(angle) + y * np.sin(angle)) * scale / period
    swing, turn = rng.uniform(20, 120), rng.uniform(0, 2 * np.pi)
    phase += wave * np.sin((y * np.cos(angle) - x * np.sin(angle)) / swing + turn)
    number = np.floor(phase)
    number = (number - number.min()).astype(int)
    count = int(number.max()) + 1
    width = rng.uniform(0.15, 0.7) * (1 - jitter * rng.uniform(0, 0.8, count))
    strength = 1 - jitter * rng.uniform(0, 0.9, count)
    # Distance to the middle of the band in pixels, with edges of one pixel, or softer.
    away = np.abs(phase - np.floor(phase) - 0.5) * period / scale
    edge = rng.uniform(0.7, 2.0)
    inside = ((width[number] * period / scale / 2 - away) / edge + 0.5).clip(0, 1)
    return (inside * strength[number]).astype(np.float32)


def _blades(image: Image, rng: np.random.Generator) -> Image:
    """Short strokes in all directions: grass, hair, needles, cracks, wires."""
    coverage = np.zeros(image.shape[:2], np.float32)
    spread, lean = rng.uniform(0.15, 1.5), rng.normal(0, 0.5)
    longest = rng.uniform(10, 80)
    for _ in range(int(rng.uniform(20, 600))):
        angle, length = lean + rng.normal(0, spread), longest * rng.uniform(0.3, 1)
        start = rng.uniform(0, (image.shape[1], image.shape[0]))
        end = start + length * np.array([np.sin(angle), np.cos(angle)])
        # Sixteenths of a pixel.
        points = [tuple(int(value * 16) for value in point) for point in (start, end)]
        width = int(rng.integers(1, 4))
        cv2.line(coverage, points[0], points[1], rng.uniform(0.3, 1), width, cv2.LINE_8, 4)
    return _paint(image, cv2.GaussianBlur(coverage, (0, 0), rng.uniform(0.4, 0.9)), rng)


def _writing(image: Image, rng: np.random.Generator) -> Image:
    """Lines of letters."""
    letters = np.zeros(image.shape[:2], np.uint8)
    size = rng.uniform(0.3, 2)
    for line in range(int(rng.integers(1, 12))):
        text = ''.join(rng.choice(list('AEHILMNTillt1|/iIjf10'), 40))
        at = int(rng.integers(-20, image.shape[1] // 2)), int(30 * size * (line + rng.uniform(0.5, 1.5)))
        cv2.putText(letters, text, at, int(rng.integers(0, 4)), size, 255, max(1, round(size)), cv2.LINE_AA)
    return _paint(image, letters.astype(np.float32) / 255, rng, everywhere=True)


def _grain(image: Image, rng: np.random.Generator) -> Image:
    """The noise of a sensor in the dark, in colours or grey, fine or coarse."""
    shape = image.shape if rng.random() < 0.5 else (*image.shape[:2], 1)
    noise = rng.normal(0, rng.uniform(1, 16), shape).astype(np.float32)
    coarse = rng.uniform(0, 1.2)
    if coarse > 0.4:
        noise = cv2.GaussianBlur(noise, (0, 0), coarse).reshape(shape) * 2
    return image + noise


def _paint(image: Image, coverage: Image, rng: np.random.Generator, everywhere: bool = False) -> Image:
    """Colour where there is coverage, in a part of the picture with soft edges or in all of it."""
    if not everywhere and rng.random() < 0.6:
        coverage = coverage * soft_part(coverage.shape, rng)
    # Mostly bright and nearly grey, as rain is.
    rain_like = rng.random() < 0.7
    colour = rng.uniform(120, 255) + rng.normal(0, 12, 3) if rain_like else rng.uniform(0, 255, 3)
    amount = (coverage * rng.uniform(0.25, 1))[..., None]
    return image * (1 - amount) + colour.astype(np.float32) * amount


def soft_part(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """An ellipse of 1 in zeros, anywhere, with soft edges; ``(H, W)``."""
    height, width = shape
    part = np.zeros(shape, np.float32)
    middle = rng.uniform(0, (width, height)).astype(int)
    axes = rng.uniform(0.15, 0.6, 2) * (width, height)
    cv2.ellipse(part, middle.tolist(), axes.astype(int).tolist(), rng.uniform(0, 180), 0, 360, 1.0, -1)
    return cv2.GaussianBlur(part, (0, 0), rng.uniform(0.8, 6))
