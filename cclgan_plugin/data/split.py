"""Honest unpaired lists from paired data: no scene on two of the sides rainy, clean and validation."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cclgan_plugin.data.randomness import generator
from cclgan_plugin.errors import DataError, OptionError


@dataclass
class Split:
    """The lists, as names relative to the two folders.

    Attributes:
        rainy: of the rainy folder, for training.
        clean: of the clean folder, for training.
        val_rainy: of the rainy folder, for validation.
        val_clean: of the clean folder: the ground truth of each of ``val_rainy``.
        scenes: number of scenes by list (``rainy``, ``clean``, ``val``).
    """

    rainy: list[str] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)
    val_rainy: list[str] = field(default_factory=list)
    val_clean: list[str] = field(default_factory=list)
    scenes: dict[str, int] = field(default_factory=dict)


def pair_by_scene(rainy: Sequence[str], clean: Sequence[str], scene: str | None) -> list[list[int]]:
    """Which rainy images belong to each clean one.

    Args:
        rainy: names of rainy images.
        clean: names of clean images.
        scene: a regular expression that finds the scene in a name without its extension, by its first group
            or as a whole; None = the name itself.

    Returns:
        For each clean image the indices of its rainy versions; there is at least one.

    Raises:
        OptionError: the expression is wrong, or does not match a name.
        DataError: an image has no partner, or two clean images are of one scene.
    """
    pattern = _compile(scene)
    clean_scenes: dict[str, int] = {}
    for index, name in enumerate(clean):
        first = clean_scenes.setdefault(_scene(name, pattern), index)
        if first != index:
            raise DataError(f'CLEAN_DIR: "{clean[first]}" and "{name}" are the same scene by their names')
    versions: list[list[int]] = [[] for _ in clean]
    for index, name in enumerate(rainy):
        found = clean_scenes.get(_scene(name, pattern))
        if found is None:
            raise DataError(
                f'RAINY_DIR: "{name}" has no partner in CLEAN_DIR, where the first is "{clean[0]}"; if names '
                "differ, --scene finds what they share, e.g. --scene '(\\d+)'"
            )
        versions[found].append(index)
    lonely = [name for name, found in zip(clean, versions, strict=True) if not found]
    if lonely:
        raise DataError(
            f'CLEAN_DIR: {len(lonely)} of {len(clean)} images have no rainy partner, e.g. "{lonely[0]}"'
        )
    return versions


def split(
    rainy: Sequence[str],
    clean: Sequence[str],
    versions: Sequence[Sequence[int]],
    groups: np.ndarray,
    val: float,
    rainy_share: float,
    seed: int,
) -> Split:
    """Deals out whole groups of scenes at random.

    Args:
        rainy: names of rainy images.
        clean: names of clean images.
        versions: for each clean image the indices of its rainy versions.
        groups: the group of each clean image; images of one group may show the same scene.
        val: share of the clean images for validation, in [0, 1).
        rainy_share: share of the others whose rainy versions are used, in (0, 1); of the rest the clean
            images are.
        seed: other numbers give other lists.

    Raises:
        DataError: there are too few groups for every list to get one.
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    order = generator(seed, 'split').permutation(len(members))
    aims = {'val': val, 'rainy': (1 - val) * rainy_share, 'clean': (1 - val) * (1 - rainy_share)}
    dealt: dict[str, list[int]] = {name: [] for name in aims}
    count: dict[str, int] = dict.fromkeys(aims, 0)
    # Large groups first: the list that lacks most takes the next, so that shares come out as asked.
    for place in sorted(order, key=lambda place: -len(members[place])):
        name = max(aims, key=lambda name: aims[name] * len(clean) - len(dealt[name]))
        dealt[name] += members[place].tolist()
        count[name] += 1
    empty = [name for name, share in aims.items() if share and not dealt[name]]
    if empty:
        raise DataError(f'{len(members)} groups of scenes are too few: none is left for the list {empty[0]}')
    val_pairs = [(index, version) for index in sorted(dealt['val']) for version in versions[index]]
    return Split(
        rainy=sorted(rainy[version] for index in dealt['rainy'] for version in versions[index]),
        clean=sorted(clean[index] for index in dealt['clean']),
        val_rainy=[rainy[version] for _, version in val_pairs],
        val_clean=[clean[index] for index, _ in val_pairs],
        scenes=count,
    )


#: Every name of a list that :func:`lists_of` can give.
LIST_NAMES = ('rainy.txt', 'clean.txt', 'val.txt', 'val_rainy.txt', 'val_clean.txt')


def lists_of(split: Split) -> dict[str, list[str]]:
    """The lists by file name. Validation is one list where both folders have the same names."""
    files = {'rainy.txt': split.rainy, 'clean.txt': split.clean}
    if split.val_rainy == split.val_clean:
        return files | ({'val.txt': split.val_rainy} if split.val_rainy else {})
    return files | {'val_rainy.txt': split.val_rainy, 'val_clean.txt': split.val_clean}


def _compile(scene: str | None) -> re.Pattern[str] | None:
    try:
        return None if scene is None else re.compile(scene)
    except re.error as error:
        raise OptionError(f'--scene {scene}: not a regular expression: {error}') from error


def _scene(name: str, pattern: re.Pattern[str] | None) -> str:
    stem = os.path.splitext(name)[0]
    if pattern is None:
        return stem
    found = pattern.search(stem)
    if found is None:
        raise OptionError(f'--scene {pattern.pattern}: does not match the name "{stem}"')
    return found.group(1) if pattern.groups else found.group()
