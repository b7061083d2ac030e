"""Rain rendered on clean images while training: further rainy samples where real ones are few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cclgan_plugin.data.rain import Window
from cclgan_plugin.data.rain_folder import rain_on
from cclgan_plugin.data.rain_params import rain_type, vary
from cclgan_plugin.data.randomness import generator
from cclgan_plugin.errors import OptionError, did_you_mean


@dataclass(frozen=True)
class SyntheticRain:
    """``synthetic_rain:`` of the dataset.

    Attributes:
        fraction: share of the clean images that become rainy samples, in (0, 1].
        type: kind of rain, one of :data:`~cclgan_plugin.data.rain_params.RAIN_TYPES`.
        vary: how much the rain differs between samples, 0 to 1.
        keep_clean: these images stay on the clean side too. Otherwise they leave it, so that no scene is on
            both sides.

    Raises:
        OptionError: a value is of the wrong type or out of range.
    """

    fraction: float
    type: str = 'rain'
    vary: float = 0.3
    keep_clean: bool = False

    def __post_init__(self) -> None:
        if not _is_number(self.fraction) or not 0 < self.fraction <= 1:
            raise OptionError(
                f'synthetic_rain: fraction is {self.fraction!r}, expected a number above 0, up to 1'
            )
        if not _is_number(self.vary) or not 0 <= self.vary <= 1:
            raise OptionError(f'synthetic_rain: vary is {self.vary!r}, expected a number from 0 to 1')
        if not isinstance(self.keep_clean, bool):
            raise OptionError(f'synthetic_rain: keep_clean is {self.keep_clean!r}, expected true or false')
        if not self.keep_clean and self.fraction == 1:
            raise OptionError(
                'synthetic_rain: fraction: 1 would leave no clean image without keep_clean: true'
            )
        rain_type(str(self.type))

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> SyntheticRain:
        """Reads the options.

        Raises:
            OptionError: a key is unknown or missing, or a value is wrong.
        """
        known = list(cls.__dataclass_fields__)
        for key in options:
            if key not in known:
                raise OptionError(f'synthetic_rain: there is no key "{key}".{did_you_mean(str(key), known)}')
        if options.get('fraction') is None:
            raise OptionError('synthetic_rain: fraction is missing, e.g. 0.25')
        return cls(**options)

    def choose(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Which clean images become rainy samples, and which stay clean.

        Args:
            count: number of clean images.
            seed: ``manual_seed``.

        Returns:
            Two arrays of sorted indices.

        Raises:
            OptionError: no clean image would be left.
        """
        number = max(1, round(self.fraction * count))
        if number >= count and not self.keep_clean:
            raise OptionError(f'synthetic_rain: fraction {self.fraction} of {count} clean images leaves none')
        rained = np.sort(generator(seed, 'synthetic rain choice').permutation(count)[:number])
        stay = np.arange(count) if self.keep_clean else np.setdiff1d(np.arange(count), rained)
        return rained, stay

    def render(self, crop: np.ndarray, window: Window, rng: np.random.Generator) -> np.ndarray:
        """Rain on a crop: uint8 or uint16 ``(H, W, 3)`` in, the same type out.

        Args:
            crop: part of a clean image.
            window: which part.
            rng: decides the kind of rain and every drop.
        """
        return rain_on(crop, vary(rain_type(self.type), self.vary, rng), rng, window)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
