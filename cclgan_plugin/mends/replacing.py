"""Putting a mended function in the place of BasicSR's, wherever a copy of the name was imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

_replacements: dict[int, tuple[Any, Any]] = {}


def replace(original: Any, mended: Any) -> None:
    """Ask for ``mended`` in place of ``original``; :func:`install` carries it out.

    The original stays reachable as ``mended.unmended``; a mend must not keep it in a module's
    namespace, where :func:`install` would exchange it too.
    """
    mended.unmended = original
    _replacements[id(original)] = (original, mended)


def replace_method(owner: type, name: str, mended: Callable[..., Any]) -> None:
    """Give the class ``owner`` the method ``mended`` at once; the original stays as ``mended.unmended``."""
    mended.unmended = getattr(owner, name)  # type: ignore[attr-defined]
    setattr(owner, name, mended)


def install() -> None:
    """Exchange every name that still refers to an original, in all modules.

    ``from basicsr.utils import tensor2img`` copies the name into the importing module, BasicSR's own
    or a user's who imported BasicSR before us; a replaced attribute in the defining module alone
    would not reach those.
    """
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType):
            continue
        for name, value in list(vars(module).items()):
            original, mended = _replacements.get(id(value), (None, None))
            if original is not None:
                setattr(module, name, mended)
    _replacements.clear()
