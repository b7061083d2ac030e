"""What is wrong with some options, in words: one line per problem, with file, line and key."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cclgan_plugin.errors import OptionError, did_you_mean
from cclgan_plugin.options.inherit import LoadedOptions
from cclgan_plugin.options.place import KeyPath

_EXPECTED = {
    'string_type': 'text',
    'int_type': 'a whole number',
    'int_from_float': 'a whole number',
    'float_type': 'a number',
    'finite_number': 'a finite number',
    'bool_type': 'true or false',
    'list_type': 'a list',
    'dict_type': 'a map of keys',
    'model_type': 'a map of keys',
    'string_too_short': 'text that is not empty',
}
_LIMITS = {
    'greater_than': ('gt', 'a number above {}'),
    'greater_than_equal': ('ge', 'a number of at least {}'),
    'less_than': ('lt', 'a number below {}'),
    'less_than_equal': ('le', 'a number of at most {}'),
    'too_short': ('min_length', 'a list with at least {} in it'),
    'too_long': ('max_length', 'a list with at most {} in it'),
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: the key it is about; for a missing key, the key that should be there.
        text: what was expected and what was got.
    """

    path: KeyPath
    text: str


def dotted(path: KeyPath) -> str:
    """``('train', 'encoder', 0, 'type')`` as ``train.encoder[0].type``."""
    text = ''
    for key in path:
        text += f'[{key}]' if isinstance(key, int) else f'.{key}' if text else key
    return text


def shown(value: Any) -> str:
    """A value as the user would write it, cut to a readable length."""
    if value is None:
        return 'nothing (~)'
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + '...'


def of_validation(error: ValidationError, path: KeyPath) -> list[Problem]:
    """The problems of a failed validation of the map at ``path``; ``walk`` finds the unknown keys."""
    details = error.errors(include_url=False)
    return [Problem((*path, *detail['loc']), _in_words(detail)) for detail in details]


def raise_problems(problems: Iterable[Problem], loaded: LoadedOptions) -> None:
    """Raise one OptionError that lists every problem on a line of its own, in the order of the file.

    Raises:
        OptionError: there is at least one problem.
    """

    def order(problem: Problem) -> tuple[str, int, str, str]:
        place = loaded.place(problem.path)
        return place.source, place.line or 0, dotted(problem.path), problem.text

    found = sorted(set(problems), key=order)
    if found:
        lines = [f'{loaded.place(p.path)}: {dotted(p.path) + ": " if p.path else ""}{p.text}' for p in found]
        raise OptionError('\n'.join(lines))


def _in_words(detail: ErrorDetails) -> str:
    kind, value, context = detail['type'], detail['input'], detail.get('ctx', {})
    if kind == 'missing':
        return 'this key is missing'
    if kind == 'literal_error':
        words = context['expected'].replace("'", '').replace(' or ', ', ').split(', ')
        hint = did_you_mean(value, words) if isinstance(value, str) else ''
        choice = ('one of ' if len(words) > 1 else '') + ', '.join(words)
        return f'expected {choice}, got {shown(value)}{"." + hint if hint else ""}'
    if kind in _EXPECTED:
        return f'expected {_EXPECTED[kind]}, got {shown(value)}{_quotes_hint(kind, value)}'
    if kind in _LIMITS:
        name, text = _LIMITS[kind]
        return f'expected {text.format(format(context[name], "g"))}, got {shown(value)}'
    # Our own validators raise PydanticCustomError with a full sentence.
    return detail['msg']


def _quotes_hint(kind: str, value: Any) -> str:
    if kind in ('int_type', 'float_type') and isinstance(value, str):
        try:
            # "nan" and "inf" are text with or without quotes; they are no numbers that an option takes.
            return '; take the quotes away' if math.isfinite(float(value)) else ''
        except ValueError:
            return ''
    if kind == 'bool_type' and isinstance(value, str) and value.lower() in ('true', 'false'):
        return '; take the quotes away'
    if kind == 'string_type' and isinstance(value, (int, float)):
        return '; put it in quotes'
    return ''
