"""Reading an options file runs the code in it (``!!python/object/apply:os.system``); duplicate keys pass.

In every release: ``ordered_yaml`` hands out PyYAML's unsafe loader (GHSA-86w8-vhw6-q9qq). Of two equal
keys the last one wins without a word. May go when BasicSR uses a safe loader.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import yaml

from cclgan_plugin.errors import OptionError

# Not by a look at BasicSR's loader: asking for it changes PyYAML's own, for the whole process.
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace

__all__ = ['apply', 'construct_mapping', 'needed', 'ordered_yaml', 'represent_mapping', 'yaml_load']


def construct_mapping(loader: Any, node: yaml.MappingNode) -> OrderedDict[Hashable, Any]:
    """An ordered mapping, in which a key may stand once (a merged one, ``<<``, may be overridden).

    Raises:
        OptionError: a key stands twice, with the lines of both; or a key is itself a list or mapping.
    """
    lines: dict[Hashable, int] = {}
    for key_node, _ in node.value:
        place = f'{key_node.start_mark.name}, line {key_node.start_mark.line + 1}'
        if not isinstance(key_node, yaml.ScalarNode):
            raise OptionError(f'{place}: a key must be a word, not a list or a mapping.')
        if key_node.tag == 'tag:yaml.org,2002:merge':
            continue
        key = loader.construct_object(key_node, deep=True)
        if key in lines:
            raise OptionError(
                f'{place}: the key "{key}" stands here for the second time; '
                f'the first is in line {lines[key]}. Keep one of them.'
            )
        lines[key] = key_node.start_mark.line + 1
    # Only now: flattening puts merged keys before a mapping's own, which then override them.
    loader.flatten_mapping(node)
    return OrderedDict(
        (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
        for key, value in node.value
    )


def represent_mapping(dumper: Any, data: OrderedDict[Any, Any]) -> yaml.Node:
    """Write an ordered mapping as a plain one."""
    return dumper.represent_dict(data.items())


def ordered_yaml() -> tuple[type, type]:
    """PyYAML's safe loader and dumper, for ordered mappings.

    Returns:
        (Loader, Dumper): subclasses made for this call, so that PyYAML's own stay as they are.
    """
    base_loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    base_dumper = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)
    loader = type('OrderedSafeLoader', (base_loader,), {})
    dumper = type('OrderedSafeDumper', (base_dumper,), {})
    mapping_tag = yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG
    loader.add_constructor(mapping_tag, construct_mapping)  # type: ignore[attr-defined]
    dumper.add_representer(OrderedDict, represent_mapping)  # type: ignore[attr-defined]
    return loader, dumper


def yaml_load(source: str) -> Any:
    """Read YAML from a file name, or from the text itself (the reader of BasicSR's development version)."""
    import os

    text = source
    if os.path.isfile(source):
        with open(source, encoding='utf-8') as file:
            text = file.read()
    return yaml.load(text, Loader=ordered_yaml()[0])


def apply() -> None:
    """Offer the safe loader wherever BasicSR's options are read."""
    from basicsr.utils import options

    replace(options.ordered_yaml, ordered_yaml)
    if hasattr(options, 'yaml_load'):
        replace(options.yaml_load, yaml_load)
