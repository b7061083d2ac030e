"""Do these options fit that constructor? Said in words before Python says it in a traceback."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from cclgan_plugin.errors import OptionError, did_you_mean


def check_keywords(function: Callable[..., Any], given: Mapping[str, Any], where: str) -> None:
    """Compare the names of ``given`` with the parameters of ``function``.

    Args:
        function: a class or function that will be called as ``function(**given)``.
        given: the options a user wrote.
        where: begins the message, such as ``'encoder CLIPEncoder'``.

    Raises:
        OptionError: a name is not a parameter, or a parameter without a default is not given.
    """
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in named]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for word in given:
        if word not in names and not takes_any:
            known = ', '.join(names) or 'none'
            raise OptionError(
                f'{where}: unknown key "{word}".{did_you_mean(word, names)} Known keys: {known}.'
            )
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in given:
            raise OptionError(f'{where}: the key "{parameter.name}" is missing.')
