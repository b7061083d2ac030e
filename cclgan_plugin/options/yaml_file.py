"""Reading one options file: YAML without code in it, with the line of every key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cclgan_plugin.errors import OptionError, did_you_mean_file
from cclgan_plugin.options.place import KeyPath, Place
from cclgan_plugin.options.yaml_values import CONSTANTS, TAG, PlainValues, kind_of, line_of


@dataclass(frozen=True)
class YamlFile:
    """What one file says; ``places`` has an entry for every key and every list element of ``values``."""

    path: Path
    values: dict[str, Any]
    places: dict[KeyPath, Place]


class OptionsLoader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's numbers: ``1e-4`` is a float; dates, ``1:30`` and ``010`` are text.

    ``yes``, ``no``, ``on`` and ``off`` stay booleans, because BasicSR has always read them so.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _name, _pattern, _first in (
    ('null', r'~|null|Null|NULL|', ['~', 'n', 'N', '']),
    ('bool', '|'.join(f'{w}|{w.title()}|{w.upper()}' for w in CONSTANTS), list('yYnNtTfFoO')),
    ('int', r'[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+)', list('-+0123456789')),
    (
        'float',
        r'[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?'
        r'|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)',
        list('-+.0123456789'),
    ),
    ('merge', r'<<', ['<']),
):
    OptionsLoader.add_implicit_resolver(TAG + _name, re.compile(f'(?:{_pattern})$'), _first)


def read_yaml(path: str | Path) -> YamlFile:
    """Read an options file.

    Args:
        path: a text file in UTF-8 that holds one YAML map.

    Raises:
        OptionError: the file is missing, unreadable, empty, not UTF-8, not YAML or not a map; it holds a tag
            of another language, a key twice, or a key that is not text. File and line are named.
    """
    path = Path(path).expanduser()
    text = _read_text(path)
    node = _compose(text, str(path))
    if node is None:
        raise OptionError(f'{path}: the file is empty; an options file was expected')
    plain = PlainValues(str(path))
    if not isinstance(node, yaml.MappingNode):
        raise OptionError(
            f'{path}:{line_of(node)}: expected a map of keys ("name: ..."), got {kind_of(node)}'
        )
    values = plain.value(node)
    plain.places[()] = Place(str(path), 1)
    return YamlFile(path, values, plain.places)


def parse_value(text: str, source: str) -> Any:
    """Read a value given on the command line, by the same rules as in a file.

    A text that starts like a list, a map, a quoted text or a tag is read as YAML; any other is one
    plain scalar, whatever characters it holds.

    Args:
        text: e.g. ``'1e-4'``, ``'[0.5, 0.999]'``, ``'~'``.
        source: what to name in an error.

    Raises:
        OptionError: not YAML, or a tag that is not allowed.
    """
    if text[:1] in ('[', '{', '"', "'", '!'):
        node = _compose(text, source)
        assert node is not None
    else:
        loader = OptionsLoader('')
        try:
            node = yaml.ScalarNode(loader.resolve(yaml.ScalarNode, text, (True, False)), text)
        finally:
            loader.dispose()
    return PlainValues(source, numbered=False).value(node)


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise OptionError(f'{path}: there is no such options file.{did_you_mean_file(path)}') from None
    except IsADirectoryError:
        raise OptionError(f'{path}: this is a folder; an options file (.yml) was expected') from None
    except (OSError, ValueError) as error:
        raise OptionError(f'{path}: cannot be read: {error}') from None
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b'\n') + 1
        raise OptionError(f'{path}:{line}: not UTF-8 text; save the options file as UTF-8') from None


def _compose(text: str, source: str) -> yaml.Node | None:
    try:
        loader = OptionsLoader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f':{mark.line + 1}' if mark is not None and '\n' in text else ''
        hint = '; indent with spaces, not tabs' if "'\\t'" in str(error.problem) else ''
        context = f' ({error.context})' if error.context else ''
        raise OptionError(f'{source}{line}: not valid YAML: {error.problem}{context}{hint}') from None
    except yaml.reader.ReaderError as error:
        line = f':{text[: error.position].count(chr(10)) + 1}' if '\n' in text else ''
        raise OptionError(
            f'{source}{line}: not a text file: it holds the character {error.character!r}'
        ) from None
    except RecursionError:
        raise OptionError(f'{source}: lists or maps are nested too deeply') from None
