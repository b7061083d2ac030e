"""The last line of a training's log says ``eta: -1 day, 23:59:59``.

In every release: the logger counts the iterations that are left after the one it reports without that one, so
that at the end there are -1. May go when it counts them all.
"""

from __future__ import annotations

from typing import Any

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed']


def init(self: Any, *args: Any, **kwargs: Any) -> None:
    """BasicSR's logger, which uses the number of iterations for this one calculation only."""
    init.unmended(self, *args, **kwargs)  # type: ignore[attr-defined]
    self.max_iters += 1


def apply() -> None:
    """Let every training's log end with no time left."""
    from basicsr.utils.logger import MessageLogger

    replace_method(MessageLogger, '__init__', init)
