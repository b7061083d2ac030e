"""Keys of one of our models in the file of a model that leaves them unread: the run would not be as asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cclgan_plugin.options.known_models import trained_like, whose
from cclgan_plugin.options.place import KeyPath
from cclgan_plugin.options.problems import Problem
from cclgan_plugin.options.schema import OUR_MODELS, Options, OtherOptions
from cclgan_plugin.options.schema.groups import NETWORKS
from cclgan_plugin.options.walk import model_in

_MAPS = ('train', 'logger')
_OF_A_NETWORK = ('pretrain_network', 'param_key', 'strict_load')
#: The networks that our models have.
_HAVE = {'CCLGANModel': NETWORKS, 'ContrastiveModel': ('g', 'd', 'h'), 'PairedModel': ('g',)}


def our_keys_are_read(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """A key that only models of ours know stands in the file of such a model."""
    model, base = options['model_type'], whose(options)
    if trained_like(options) is None:
        return  # CCLGANModel has checked every key; a model of another package may read any.
    for path, value in _given(options):
        readers = _readers(path, base)
        # ContrastiveModel looks through a discriminator, but only its base could have built one.
        asked = {base} if _network(path) == 'd' else {model, base}
        # What is switched off may stay: a file inherits it from another one.
        if readers and not asked.intersection(readers) and value is not None and value is not False:
            who = model if model in asked else base
            others = ' and '.join(reader for reader in readers if reader != model)
            yield Problem(path, f'{who} does not read this key; {others} can. Leave it out')


def _given(options: dict[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in options.items():
        yield (key,), value
        if key in (*_MAPS, 'path') and isinstance(value, dict):
            yield from (((key, inner), value[inner]) for inner in value)


def _readers(path: KeyPath, base: str) -> list[str]:
    """The models of ours that read a key; none if BasicSR's models do, or nothing is known of the key."""
    network = _network(path)
    if network is not None:
        # BasicSR's models without a discriminator are used with files that describe one.
        basicsr = network == 'g' or (network == 'd' and base not in _HAVE)
        return [] if basicsr else [ours for ours, names in _HAVE.items() if network in names]
    if path in _keys(OtherOptions):
        return []
    return [ours for ours, schema in OUR_MODELS.items() if path in _keys(schema)]


def _network(path: KeyPath) -> str | None:
    """The network that a key is about, as far as it is one of CCLGANModel's."""
    key = str(path[-1])
    prefixes = ('network',) if len(path) == 1 else _OF_A_NETWORK if path[0] == 'path' else ()
    for prefix in prefixes:
        if key.startswith(f'{prefix}_') and key.removeprefix(f'{prefix}_') in NETWORKS:
            return key.removeprefix(f'{prefix}_')
    return None


def _keys(schema: type[Options]) -> set[KeyPath]:
    """The keys that a schema knows, at the top and in some maps."""
    keys: set[KeyPath] = {(name,) for name in schema.model_fields}
    for name in _MAPS:
        inner = model_in(schema.model_fields[name].annotation)
        keys |= {(name, key) for key in inner.model_fields} if inner is not None else set()
    return keys
