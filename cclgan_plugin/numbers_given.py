"""Numbers that a constructor is given: of the right kind and in range, or an error that names them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from cclgan_plugin.errors import OptionError


def check_number(owner: str, key: str, value: Any, *, above_zero: bool = False) -> float:
    """Return ``value``, a finite number of at least 0 (or above it), or raise an OptionError."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number) or number < 0 or (above_zero and number == 0):
        limit = 'above 0' if above_zero else 'at least 0'
        raise OptionError(f'{owner}: {key} must be {limit}, a finite number; got {value!r}')
    return number


def check_whole(owner: str, key: str, value: Any, minimum: int, why: str = '') -> int:
    """Return ``value``, a whole number of at least ``minimum``, or raise an OptionError that says ``why``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise OptionError(f'{owner}: {key} must be at least {minimum}{why}, a whole number; got {value!r}')
    return int(value)
