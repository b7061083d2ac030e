"""What the losses ask of the features they are handed: every level there, and of the right kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Generator, Tensor

from cclgan_plugin.archs.sampling import draw_levels, move_locations
from cclgan_plugin.errors import OptionError, did_you_mean

#: Dimensions of what is handed over by level, and what such a thing is called.
MAPS, VECTORS, LOCATIONS = 4, 3, 1
_CALLED = {
    MAPS: 'a map (N, C, h, w); a network that gives tokens (N, P, C) has its maps in other modules',
    VECTORS: 'vectors (N, P, C); call vectors() first',
    LOCATIONS: 'locations (P,)',
}


def require_features(features: Any, layers: Iterable[str], owner: str, what: str, kind: int = MAPS) -> None:
    """Raise unless ``features`` hold each of the layers, as a tensor of the right kind.

    Args:
        features: by level; others than ``layers`` may be among them.
        layers: what the loss compares.
        owner: the loss, for the message.
        what: the features, for the message.
        kind: :data:`MAPS`, :data:`VECTORS` or :data:`LOCATIONS`.

    Raises:
        OptionError: a level is missing; the message says which there are.
        ValueError: not a mapping, or a tensor of another kind.
    """
    if not isinstance(features, Mapping):
        raise ValueError(f'{owner}: {what} must be a map of levels, got {type(features).__name__}')
    for level in layers:
        if level not in features:
            raise OptionError(
                f'{owner}: layers names "{level}", and {what} have no such level.'
                f'{did_you_mean(level, features)} They have: {", ".join(map(str, features)) or "none"}'
            )
        x = features[level]
        if not isinstance(x, Tensor) or x.dim() != kind:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f'{owner}: level "{level}" of {what} must be {_CALLED[kind]}; got {got}')


def draw_in(
    features: Mapping[str, Tensor], layers: tuple[str, ...], count: int, generator: Generator | None
) -> dict[str, Tensor]:
    """Draw locations for each of the layers out of its map ``(N, C, h, w)``, on the maps' device."""
    sizes = {level: (features[level].shape[-2], features[level].shape[-1]) for level in layers}
    (moved,) = move_locations([draw_levels(sizes, layers, count, generator)], features[layers[0]].device)
    return moved
