"""What rain looks like, in numbers that mean the same for a thumbnail and for a 50-megapixel photograph."""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

import numpy as np

from cclgan_plugin.errors import OptionError, did_you_mean


def _number(default: float, low: float, high: float, meaning: str) -> Any:
    return field(default=default, metadata={'low': low, 'high': high, 'meaning': meaning})


@dataclass(frozen=True)
class RainParams:
    """One kind of rain. Sizes are shares of the photograph's shorter side.

    ``fields(RainParams)`` carries the range and meaning of every number in its metadata.

    Raises:
        OptionError: a number is outside of its range.
    """

    density: float = _number(600, 0, 5000, 'streaks in a square as wide as the shorter side')
    length: float = _number(0.16, 0.001, 1, 'length of the nearest streaks, a share of the shorter side')
    width: float = _number(0.007, 0.0001, 0.05, 'width of the nearest streaks, a share of the shorter side')
    angle: float = _number(0, -60, 60, 'degrees from the vertical; drops drift to the right if positive')
    angle_jitter: float = _number(2, 0, 20, 'standard deviation of the angle between streaks, in degrees')
    brightness: float = _number(0.9, 0, 1, 'light that a drop sends to the camera, as a share of the sky')
    opacity: float = _number(0.55, 0, 0.95, 'share of the exposure for which a drop covers what is behind it')
    depth: float = _number(5, 1, 50, 'distance of the farthest drops, when the nearest are at 1')
    blur: float = _number(1, 0, 20, 'defocus of the nearest drops, in streak widths; the farthest are sharp')
    veil: float = _number(0.01, 0, 0.9, 'share of the light that comes from rain too far away to see drops')
    mist: float = _number(
        0, 0, 0.9, 'the same at the upper edge, where the scene is far; none at the lower one'
    )

    def __post_init__(self) -> None:
        for number in fields(self):
            value, low, high = getattr(self, number.name), number.metadata['low'], number.metadata['high']
            if not (isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= high):
                raise OptionError(f'rain: {number.name} is {value!r}, expected a number from {low} to {high}')


RAIN_TYPES = {
    'drizzle': RainParams(density=900, length=0.05, width=0.004, opacity=0.45, depth=4, veil=0.02),
    'rain': RainParams(),
    'downpour': RainParams(
        density=1400, length=0.24, width=0.009, opacity=0.55, depth=6, veil=0.05, mist=0.15
    ),
    'storm': RainParams(
        density=2200,
        length=0.32,
        width=0.01,
        angle=14,
        angle_jitter=4,
        opacity=0.6,
        depth=8,
        veil=0.08,
        mist=0.35,
    ),
}


def rain_type(name: str) -> RainParams:
    """A named kind of rain.

    Raises:
        OptionError: there is none of that name.
    """
    if name not in RAIN_TYPES:
        hint = did_you_mean(name, RAIN_TYPES)
        raise OptionError(f'rain type "{name}", expected one of {", ".join(RAIN_TYPES)}.{hint}')
    return RAIN_TYPES[name]


def vary(params: RainParams, amount: float, rng: np.random.Generator) -> RainParams:
    """Rain of the same kind in another gust: as different from the first as two photographs of one shower.

    Args:
        params: the kind of rain.
        amount: 0 = no change; 1 = numbers up to e times larger or smaller, the angle up to 45 degrees off.
        rng: decides.

    Returns:
        New parameters within their ranges.
    """
    changed = {
        number.name: _clip(number, getattr(params, number.name) * math.exp(rng.uniform(-amount, amount)))
        for number in fields(params)
        if number.name in ('density', 'length', 'width', 'opacity', 'veil')
    }
    angle = next(number for number in fields(params) if number.name == 'angle')
    changed['angle'] = _clip(angle, params.angle + 45 * amount * rng.uniform(-1, 1))
    mist = next(number for number in fields(params) if number.name == 'mist')
    changed['mist'] = _clip(mist, params.mist * math.exp(rng.uniform(-amount, amount)))
    return replace(params, **changed)


def _clip(number: Field[Any], value: float) -> float:
    return min(max(value, number.metadata['low']), number.metadata['high'])
