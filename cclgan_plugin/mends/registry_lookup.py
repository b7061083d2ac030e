"""``Name X is not found, use name: X_basicsr!`` on the screen although X was found; and no help when it
was not.

In every release: ``Registry.get``. May go when it prints nothing and names what there is.
"""

from __future__ import annotations

from typing import Any

from basicsr.utils.registry import Registry

from cclgan_plugin.errors import OptionError, did_you_mean
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['UnknownNameError', 'apply', 'get', 'needed']


class UnknownNameError(OptionError, KeyError):
    """No part of that name is registered. Also a ``KeyError``, which is what BasicSR raises."""

    def __str__(self) -> str:
        # KeyError would show the message in quotation marks.
        return Exception.__str__(self)


def get(self: Any, name: str, suffix: str = 'basicsr') -> Any:
    """The part registered as ``name``, or as ``name_suffix``.

    Raises:
        UnknownNameError: there is neither; with the nearest name and all names.
    """
    for candidate in (name, f'{name}_{suffix}'):
        if candidate in self._obj_map:
            return self._obj_map[candidate]
    names = sorted(self._obj_map)
    raise UnknownNameError(
        f'There is no {self._name} "{name}".{did_you_mean(str(name), names)} '
        f'Registered are: {", ".join(names)}.'
    )


def apply() -> None:
    """Look parts up this way in all of BasicSR's registries."""
    replace_method(Registry, 'get', get)
