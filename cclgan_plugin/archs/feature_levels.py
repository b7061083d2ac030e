"""Feature levels by name: networks declare them, losses ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from cclgan_plugin.errors import OptionError, did_you_mean


class HasFeatureLevels(Protocol):
    """A network that declares the channels of each of its feature levels, shallow to deep."""

    @property
    def feature_channels(self) -> Mapping[str, int]:
        """Channels by level."""


def check_levels(net: HasFeatureLevels, levels: Iterable[str]) -> list[str]:
    """Return the levels as a list.

    Raises:
        OptionError: a level that the network does not have; the message lists those it has.
    """
    levels = list(levels)
    for level in levels:
        if level not in net.feature_channels:
            raise OptionError(
                f'{type(net).__name__} has no feature level "{level}"; it has '
                f'{", ".join(net.feature_channels)}.' + did_you_mean(level, net.feature_channels)
            )
    return levels
