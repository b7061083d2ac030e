"""From YAML nodes to plain values: the only place where what a file says becomes an object."""

from __future__ import annotations

from typing import Any

import yaml

from cclgan_plugin.errors import OptionError
from cclgan_plugin.options.place import KeyPath, Place

TAG = 'tag:yaml.org,2002:'
CONSTANTS = {
    **dict.fromkeys(('yes', 'true', 'on'), True),
    **dict.fromkeys(('no', 'false', 'off'), False),
}
#: Far more than any options file has; reached only by aliases that multiply each other.
MAX_VALUES = 100_000
MAX_DEPTH = 100


def line_of(node: yaml.Node) -> int:
    """The line, from 1, in which a node begins."""
    return node.start_mark.line + 1


def kind_of(node: yaml.Node) -> str:
    """What a node is, in words."""
    return 'a list' if isinstance(node, yaml.SequenceNode) else f'"{node.value}"'


class PlainValues:
    """Turns YAML nodes into maps, lists and scalars. It knows no other tags, so nothing can be executed.

    Args:
        source: the file, or the argument of the command line, for messages.
        numbered: whether lines are worth naming.

    Attributes:
        places: where each key and each list element was written.
    """

    def __init__(self, source: str, numbered: bool = True) -> None:
        self._source = source
        self._numbered = numbered
        self.places: dict[KeyPath, Place] = {}
        self._open: list[yaml.Node] = []
        self._count = 0

    def _error(self, node: yaml.Node, text: str) -> OptionError:
        return OptionError(f'{self._place(node)}: {text}')

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._source, line_of(node) if self._numbered else None)

    def value(self, node: yaml.Node, path: KeyPath = ()) -> Any:
        """The value of a node.

        Args:
            node: as PyYAML composes it.
            path: where it stands.

        Raises:
            OptionError: a tag of another kind, a key twice or not text, an alias that contains itself or
                multiplies beyond reason. File and line are named.
        """
        self._count += 1
        if self._count > MAX_VALUES:
            raise OptionError(f'{self._source}: aliases (*name) blow the file up to over {MAX_VALUES} values')
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        expected = 'map' if isinstance(node, yaml.MappingNode) else 'seq'
        if node.tag != TAG + expected:
            raise self._foreign_tag(node)
        if any(node is other for other in self._open):
            raise self._error(node, 'an alias (*name) refers to a map or list that it is part of')
        if len(self._open) > MAX_DEPTH:
            raise self._error(node, 'lists or maps are nested too deeply')
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._map(node, path)
            items = []
            for i, item in enumerate(node.value):
                here = (*path, i)
                self.places[here] = self._place(item)
                items.append(self.value(item, here))
            return items
        finally:
            self._open.pop()

    def _map(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        seen: dict[str, yaml.Node] = {}
        entries = [(self._key(key), key, item) for key, item in node.value]
        # "<<: *defaults" first, so that the map's own keys win over it.
        for name, key, item in sorted(entries, key=lambda entry: entry[0] != '<<'):
            if name in seen:
                first, second = sorted((line_of(seen[name]), line_of(key)))
                raise self._error(
                    key, f'the key "{name}" stands twice in one map: in line {first} and in line {second}'
                )
            seen[name] = key
            if name == '<<':
                parts = item.value if isinstance(item, yaml.SequenceNode) else [item]
                for part in reversed(parts):
                    if not isinstance(part, yaml.MappingNode):
                        raise self._error(part, f'"<<" takes a map or a list of maps, got {kind_of(part)}')
                    values.update(self.value(part, path))
                continue
            here = (*path, name)
            if name in values:
                for old in [p for p in self.places if p[: len(here)] == here]:
                    del self.places[old]
            self.places[here] = self._place(key)
            values[name] = self.value(item, here)
        return values

    def _key(self, node: yaml.Node) -> str:
        if node.tag == TAG + 'merge':
            return '<<'
        # "off" is a word like any other where a key stands.
        if (
            not isinstance(node, yaml.ScalarNode)
            or node.tag not in (TAG + 'str', TAG + 'bool')
            or not node.value
        ):
            if node.tag.startswith((TAG + 'python', '!')):
                raise self._foreign_tag(node)
            got = f'{node.value!r}' if isinstance(node, yaml.ScalarNode) else kind_of(node)
            raise self._error(node, f'a key must be text, got {got}; put it in quotes if it is meant')
        return node.value

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        name = node.tag[len(TAG) :] if node.tag.startswith(TAG) else node.tag
        try:
            if name in ('str', 'merge'):
                return text
            if name == 'null':
                return None
            if name == 'bool':
                return CONSTANTS[text.lower()]
            if name == 'int':
                return int(text.replace('_', ''), 0)
            if name == 'float':
                return float(text.lower().replace('_', '').replace('.inf', 'inf').replace('.nan', 'nan'))
        except (KeyError, ValueError):
            raise self._error(node, f'"{text[:40]}" is not a value of the type !!{name}') from None
        raise self._foreign_tag(node)

    def _foreign_tag(self, node: yaml.Node) -> OptionError:
        tag = node.tag.replace(TAG, '!!')
        return self._error(
            node,
            f'the tag {tag} is not allowed: options are text, numbers, true, false, ~, lists and maps',
        )
