"""Rain is described by numbers with ranges, and wrong ones are named."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from cclgan_plugin.data.rain_params import RAIN_TYPES, RainParams, rain_type, vary
from cclgan_plugin.errors import OptionError


@pytest.mark.parametrize('name', [number.name for number in fields(RainParams)])
def test_numbers_out_of_range_are_named(name: str) -> None:
    number = next(number for number in fields(RainParams) if number.name == name)
    for value in (number.metadata['low'] - 1, number.metadata['high'] + 1, float('nan'), '5'):
        with pytest.raises(OptionError, match=f'rain: {name} is '):
            replace(RainParams(), **{name: value})


def test_an_unknown_type_gets_a_hint() -> None:
    assert rain_type('downpour') is RAIN_TYPES['downpour']
    with pytest.raises(OptionError, match=r'"drizle".* Did you mean "drizzle"'):
        rain_type('drizle')


def test_variation_stays_in_range_and_is_repeatable() -> None:
    extreme = RainParams(density=5000, length=1, angle=60, opacity=0.95)
    for seed in range(20):
        varied = vary(extreme, 1, np.random.default_rng(seed))
        assert varied == vary(extreme, 1, np.random.default_rng(seed))
        assert varied != extreme


def test_no_variation_is_no_change() -> None:
    assert vary(RainParams(), 0, np.random.default_rng(0)) == RainParams()
