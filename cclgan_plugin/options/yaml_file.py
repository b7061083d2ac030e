"""Reading one options file: YAML without code in it, with the line of every key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cclgan_plugin.errors import OptionError, did_you_mean

#: Keys and list positions from the top of the file down to a value.
KeyPath = tuple[str | int, ...]

#: Far more than any options file has; reached only by aliases that multiply each other.
MAX_VALUES = 100_000

_TAG = 'tag:yaml.org,2002:'
_CONSTANTS = {
    **dict.fromkeys(('yes', 'true', 'on'), True),
    **dict.fromkeys(('no', 'false', 'off'), False),
}


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file and a line (from 1), or an argument of the command line."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f'{self.source}:{self.line}'


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
    ('bool', '|'.join(f'{w}|{w.title()}|{w.upper()}' for w in _CONSTANTS), list('yYnNtTfFoO')),
    ('int', r'[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+)', list('-+0123456789')),
    (
        'float',
        r'[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?'
        r'|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)',
        list('-+.0123456789'),
    ),
    ('merge', r'<<', ['<']),
):
    OptionsLoader.add_implicit_resolver(_TAG + _name, re.compile(f'(?:{_pattern})$'), _first)


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
    walk = _Walk(str(path))
    if not isinstance(node, yaml.MappingNode):
        raise OptionError(f'{path}:{_line(node)}: expected a map of keys ("name: ..."), got {_kind(node)}')
    values = walk.value(node, ())
    walk.places[()] = Place(str(path), 1)
    return YamlFile(path, values, walk.places)


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
    return _Walk(source, numbered=False).value(node, ())


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        near = ''
        if path.parent.is_dir():
            near = did_you_mean(path.name, sorted(p.name for p in path.parent.iterdir()))
        raise OptionError(f'{path}: there is no such options file.{near}') from None
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
        raise OptionError(f'{source}{line}: not a text file: it holds the character {error.character!r}') from None
    except RecursionError:
        raise OptionError(f'{source}: lists or maps are nested too deeply') from None


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _kind(node: yaml.Node) -> str:
    return 'a list' if isinstance(node, yaml.SequenceNode) else f'"{node.value}"'


class _Walk:
    """Turns composed nodes into plain values. Knows only the tags below, so nothing can be executed."""

    def __init__(self, source: str, numbered: bool = True) -> None:
        self.source = source
        self.numbered = numbered
        self.places: dict[KeyPath, Place] = {}
        self.open: list[yaml.Node] = []
        self.count = 0

    def error(self, node: yaml.Node, text: str) -> OptionError:
        return OptionError(f'{self.place(node)}: {text}')

    def place(self, node: yaml.Node) -> Place:
        return Place(self.source, _line(node) if self.numbered else None)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise OptionError(f'{self.source}: aliases (*name) blow the file up to over {MAX_VALUES} values')
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        expected = 'map' if isinstance(node, yaml.MappingNode) else 'seq'
        if node.tag != _TAG + expected:
            raise self.foreign_tag(node)
        if any(node is other for other in self.open):
            raise self.error(node, 'an alias (*name) refers to a map or list that it is part of')
        if len(self.open) > 100:
            raise self.error(node, 'lists or maps are nested too deeply')
        self.open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self.map(node, path)
            items = []
            for i, item in enumerate(node.value):
                self.places[(*path, i)] = self.place(item)
                items.append(self.value(item, (*path, i)))
            return items
        finally:
            self.open.pop()

    def map(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        seen: dict[str, yaml.Node] = {}
        entries = [(self.key(key), key, item) for key, item in node.value]
        # "<<: *defaults" first, so that the map's own keys win over it.
        for name, key, item in sorted(entries, key=lambda entry: entry[0] != '<<'):
            if name in seen:
                first, second = sorted((_line(seen[name]), _line(key)))
                raise self.error(key, f'the key "{name}" stands twice in one map: in line {first} and in line {second}')
            seen[name] = key
            if name == '<<':
                parts = item.value if isinstance(item, yaml.SequenceNode) else [item]
                for part in reversed(parts):
                    if not isinstance(part, yaml.MappingNode):
                        raise self.error(part, f'"<<" takes a map or a list of maps, got {_kind(part)}')
                    values.update(self.value(part, path))
                continue
            here = (*path, name)
            for old in [p for p in self.places if p[: len(here)] == here]:
                del self.places[old]
            self.places[here] = self.place(key)
            values[name] = self.value(item, here)
        return values

    def key(self, node: yaml.Node) -> str:
        if node.tag == _TAG + 'merge':
            return '<<'
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TAG + 'str' or not node.value:
            if node.tag.startswith((_TAG + 'python', '!')):
                raise self.foreign_tag(node)
            got = f'{node.value!r}' if isinstance(node, yaml.ScalarNode) else _kind(node)
            raise self.error(node, f'a key must be text, got {got}; put it in quotes if it is meant')
        return node.value

    def scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        name = node.tag[len(_TAG) :] if node.tag.startswith(_TAG) else node.tag
        try:
            if name in ('str', 'merge'):
                return text
            if name == 'null':
                return None
            if name == 'bool':
                return _CONSTANTS[text.lower()]
            if name == 'int':
                return int(text.replace('_', ''), 0)
            if name == 'float':
                return float(text.replace('_', '').replace('.inf', 'inf').replace('.nan', 'nan').lower())
        except (KeyError, ValueError):
            raise self.error(node, f'"{text[:40]}" is not a value of the type !!{name}') from None
        raise self.foreign_tag(node)

    def foreign_tag(self, node: yaml.Node) -> OptionError:
        tag = node.tag.replace(_TAG, '!!')
        return self.error(
            node,
            f'the tag {tag} is not allowed: options are text, numbers, true, false, ~, lists and maps, never code',
        )
