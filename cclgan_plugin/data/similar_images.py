"""Finding images of the same scene among very many, exactly and without comparing each with each in full.

Signatures are turned so that their first numbers carry most of what they hold (their principal axes). What
the others can add to a correlation is at most the product of their lengths (Cauchy and Schwarz), and so a
product of short vectors tells which few pairs need the whole one: none that counts is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]
from tqdm import tqdm

from cclgan_plugin.data.image_signature import mirrored
from cclgan_plugin.errors import OptionError

#: Correlation from which two images count as the same scene.
SIMILAR = 0.85
# Share of the signatures' energy that may be left to the second look; photographs need some 30 of 256 numbers
# for the first one, noise nearly all.
_REST = 0.25
# Images of either side compared in one go: the products fit into a processor's cache.
_ROWS, _COLUMNS = 512, 2048
_ROUNDING = 1e-4


class Matches(NamedTuple):
    """For each image of one set the most similar one of another.

    Attributes:
        partner: its index in the other set, ``(N,)``; -1 = none is similar.
        similarity: their correlation, ``(N,)``; 0 where there is none.
        number: how many images of the other set are similar, ``(N,)``.
    """

    partner: np.ndarray
    similarity: np.ndarray
    number: np.ndarray


def similarity(given: float | None) -> float:
    """What a user gives as ``--similarity``; without it :data:`SIMILAR`.

    Raises:
        OptionError: not a number above 0 and up to 1.
    """
    if given is not None and not 0 < given <= 1:
        raise OptionError(f'--similarity {given:g}: a number above 0 and up to 1 was expected')
    return SIMILAR if given is None else given


def best_matches(one: np.ndarray, other: np.ndarray, threshold: float = SIMILAR) -> Matches:
    """Looks for each image of one set in another set, as it is and mirrored left to right.

    Args:
        one: signatures ``(N, 256)``.
        other: signatures ``(M, 256)``.
        threshold: correlation from which images are similar, in (0, 1].
    """
    partner = np.full(len(one), -1)
    similarity = np.zeros(len(one), np.float32)
    number = np.zeros(len(one), int)
    for rows, columns, values in _similar_pairs(one, other, threshold):
        np.add.at(number, rows, 1)
        # From the least to the most similar: what is written last stays.
        order = np.argsort(values, kind='stable')
        rows, columns, values = rows[order], columns[order], values[order]
        better = values > similarity[rows]
        partner[rows[better]], similarity[rows[better]] = columns[better], values[better]
    return Matches(partner, similarity, number)


def similar_groups(signatures: np.ndarray, threshold: float = SIMILAR) -> np.ndarray:
    """Groups of images that are connected by similarity.

    Args:
        signatures: ``(N, 256)``.
        threshold: correlation from which images are similar, in (0, 1].

    Returns:
        The number of each image's group, ``(N,)``, groups counted from 0.
    """
    groups = np.arange(len(signatures))
    for rows, columns, _ in _similar_pairs(signatures, signatures, threshold):
        links = coo_matrix((np.ones(len(rows), bool), (groups[rows], groups[columns])), (len(groups),) * 2)
        groups = connected_components(links, directed=False)[1][groups]
    return np.unique(groups, return_inverse=True)[1]


def _similar_pairs(
    one: np.ndarray, other: np.ndarray, threshold: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of pairs: rows of ``one``, rows of ``other``, correlations. Each pair once."""
    if not len(one) or not len(other):
        return
    axes, leading = _axes(one, other, min(_REST, threshold / 3))
    versions = [_turned(version, axes, leading) for version in (other, mirrored(other))]
    ours = _turned(one, axes, leading)
    for top in tqdm(range(0, len(one), _ROWS), desc='comparing', unit='block', disable=None):
        rows = ours[top : top + _ROWS]
        for left in range(0, len(other), _COLUMNS):
            found = [
                _block(rows, version[left : left + _COLUMNS], threshold, leading) for version in versions
            ]
            row, column, value = (np.concatenate(parts) for parts in zip(*found, strict=True))
            if len(row):
                row, column, value = _once(row, column, value)
                yield row + top, column + left, value


def _axes(one: np.ndarray, other: np.ndarray, rest: float) -> tuple[np.ndarray, int]:
    """Principal axes as columns, the strongest first; how many leave the others the share ``rest``."""
    scatter = one.T @ one + other.T @ other
    energy, axes = np.linalg.eigh(scatter.astype(np.float64))
    share = np.cumsum(energy[::-1]) / max(float(energy.sum()), 1e-12)
    leading = min(int(np.searchsorted(share, 1 - rest)) + 1, len(energy) - 1)
    return axes[:, ::-1].astype(np.float32), leading


def _turned(signatures: np.ndarray, axes: np.ndarray, leading: int) -> np.ndarray:
    """Leading coordinates, the length of the others, and then these: ``(N, 257)``."""
    turned = signatures @ axes
    rest = np.linalg.norm(turned[:, leading:], axis=1, keepdims=True)
    return np.hstack([turned[:, :leading], rest, turned[:, leading:]]).astype(np.float32)


def _block(rows: np.ndarray, columns: np.ndarray, threshold: float, leading: int) -> tuple[np.ndarray, ...]:
    bound = rows[:, : leading + 1] @ columns[:, : leading + 1].T
    row, column = np.divmod(np.flatnonzero(bound >= threshold - _ROUNDING), len(columns))
    # The bound less the product of the rests, plus what the rests really add.
    left, right = rows[row, leading:], columns[column, leading:]
    value = bound[row, column] - left[:, 0] * right[:, 0] + np.einsum('ij,ij->i', left[:, 1:], right[:, 1:])
    keep = value >= threshold
    return row[keep], column[keep], np.minimum(value[keep], 1)


def _once(row: np.ndarray, column: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, ...]:
    """A pair that is similar as it is and mirrored too counts once, with the larger correlation."""
    order = np.lexsort((-value, column, row))
    row, column, value = row[order], column[order], value[order]
    first = np.append(True, (row[1:] != row[:-1]) | (column[1:] != column[:-1]))
    return row[first], column[first], value[first]
