"""``import basicsr``: No module named 'scipy.ndimage.filters'.

Deprecated since SciPy 1.8 and announced to leave with 2.0; BasicSR's NIQE and DUF still use it.
May go when BasicSR imports from ``scipy.ndimage``.
"""

from __future__ import annotations

import importlib
import sys

NAME = 'scipy.ndimage.filters'


def needed() -> bool:
    """True where SciPy has no such module any more."""
    try:
        importlib.import_module(NAME)
    except ModuleNotFoundError:
        return True
    return False


def apply() -> None:
    """Let the old name lead to ``scipy.ndimage``, which holds the same functions."""
    ndimage = importlib.import_module('scipy.ndimage')
    sys.modules[NAME] = ndimage
    ndimage.filters = ndimage  # type: ignore[attr-defined]
