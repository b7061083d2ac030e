"""``import basicsr``: No module named 'scipy.ndimage.filters'.

Deprecated since SciPy 1.8 and announced to leave with 2.0; BasicSR's NIQE and DUF still use it.
May go when BasicSR imports from ``scipy.ndimage``.
"""

from __future__ import annotations

import importlib
import sys
import warnings

NAME = 'scipy.ndimage.filters'


def needed() -> bool:
    """True where SciPy has no such module any more."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)
            importlib.import_module(NAME)
    except ModuleNotFoundError:
        return True
    return False


def apply() -> None:
    """Let the old name lead to ``scipy.ndimage``, which holds the same functions."""
    import scipy.ndimage

    sys.modules[NAME] = scipy.ndimage
    scipy.ndimage.filters = scipy.ndimage
