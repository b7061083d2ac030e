"""Which images a run trains on: what its states keep of them, and what is not the same any more."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from basicsr.data.paired_image_dataset import PairedImageDataset

from cclgan_plugin.data.seeded_items import SeededItems

#: By the option of each root, as ``dataroot_lq``: ``number``, and a SHA-256 over the ``names`` in order.
Images = dict[str, dict[str, Any]]


def describe_images(dataset: Any) -> Images:
    """What a state keeps of a training set's images.

    A dataset that can tell them has ``names_by_root()``, which gives their names by the option of their root.
    Of one that cannot, and is not BasicSR's of pairs, nothing is kept.
    """
    if isinstance(dataset, SeededItems):
        dataset = dataset.dataset
    if hasattr(dataset, 'names_by_root'):
        names: Mapping[str, Sequence[str]] = dataset.names_by_root()
    elif isinstance(dataset, PairedImageDataset):
        names = {f'dataroot_{side}': _names_of(dataset, side) for side in ('lq', 'gt')}
    else:
        names = {}
    return {root: {'number': len(those), 'names': _digest(those)} for root, those in names.items()}


def image_differences(then: Images, now: Images) -> list[str]:
    """What is not the same, in words; of what one of the two does not know nothing is said."""
    found = []
    for root in then.keys() & now.keys():
        before, after = then[root], now[root]
        if before['number'] != after['number']:
            found.append(f'{root}: {before["number"]} images then, {after["number"]} now')
        elif before['names'] != after['names']:
            found.append(f'{root}: images of other names, or in another order')
    return sorted(found)


def _names_of(dataset: PairedImageDataset, side: str) -> list[str]:
    """The names of one side without their root, for data may have moved; keys of a database as they are."""
    root = dataset.opt[f'dataroot_{side}']
    return [pair[f'{side}_path'].removeprefix(root).lstrip('/') for pair in dataset.paths]


def _digest(names: Sequence[str]) -> str:
    # A name of the file system may be no proper Unicode, and none holds a zero.
    return hashlib.sha256('\0'.join(names).encode(errors='surrogateescape')).hexdigest()
