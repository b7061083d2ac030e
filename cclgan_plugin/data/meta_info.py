"""Reading a list of images: one name per line, as BasicSR's meta-info files have it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from cclgan_plugin.errors import DataError

# What BasicSR writes behind a name: the shape, and in databases the PNG compression level.
_SHAPE = re.compile(r'\s+\(\s*\d+\s*,\s*\d+\s*(,\s*\d+\s*)?\)(\s+\d+)?$')


class ListedImage(NamedTuple):
    """One entry of a list.

    Attributes:
        name: the name as written, without the shape.
        line: its line in the list, from 1.
    """

    name: str
    line: int


def read_meta_info(path: str, what: str = 'list') -> list[ListedImage]:
    """The names in a list file (UTF-8).

    Blank lines and lines that begin with ``#`` are comments. A shape such as ``(480,320,3)`` behind the
    name, which BasicSR's scripts write, is left out; other spaces belong to the name. A name that is
    listed twice counts twice.

    Args:
        path: the list file.
        what: what the list is called in messages, e.g. the key of the options file.

    Raises:
        DataError: the list is missing, is not text, or names nothing.
    """
    if os.path.isdir(path):
        raise DataError(f'{what}: "{path}" is a folder, a text file with one image per line was expected')
    try:
        with open(path, encoding='utf-8-sig') as file:
            lines = file.read().split('\n')
    except FileNotFoundError as error:
        raise DataError(f'{what}: there is no file "{path}"') from error
    except UnicodeDecodeError as error:
        raise DataError(f'{what}: "{path}" is not a text file in UTF-8') from error
    except OSError as error:
        raise DataError(f'{what}: "{path}" cannot be read: {error.strerror}') from error
    listed = []
    for number, line in enumerate(lines, start=1):
        name = _name_in(line)
        if name and not name.startswith('#'):
            listed.append(ListedImage(name, number))
    if not listed:
        raise DataError(f'{what}: "{path}" names no image; one name per line was expected')
    return listed


def check_listable(names: Iterable[str], what: str) -> None:
    """Makes sure that :func:`read_meta_info` gives back names that are written one per line.

    Args:
        names: of images.
        what: where they are, for the message.

    Raises:
        DataError: a name would be read as another one, as several, or as a comment.
    """
    for name in names:
        try:
            line = name.encode().decode('utf-8-sig')
        except UnicodeEncodeError:  # its bytes are no UTF-8
            line = ''
        if _name_in(line) != name or name.startswith('#') or '\n' in name or '\r' in name:
            raise DataError(
                f'{what}: {name!r} cannot stand in a list; expected a name in UTF-8 without line ends, '
                'without spaces around it and without "#" at its beginning'
            )


def _name_in(line: str) -> str:
    return _SHAPE.sub('', line.strip())


def paired_name(name: str, template: str, folder: str) -> str:
    """The other side's name for a listed one, by BasicSR's ``filename_tmpl`` such as ``'{}_rainy'``.

    It lies in a folder of the same name, or, where only that exists, as in BasicSR in ``folder`` itself.

    Args:
        name: of the listed side, with ``/`` between folders.
        template: of names without extension.
        folder: of the other side.
    """
    within, base = os.path.split(name)
    stem, ending = os.path.splitext(base)
    other = template.format(stem) + ending
    nested = os.path.join(within, other)
    is_there = [os.path.isfile(os.path.join(folder, path)) for path in (nested, other)]
    return other if is_there == [False, True] else nested
