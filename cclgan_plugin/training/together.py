"""What one process cannot go on with ends all of them at one point, where they can still save together."""

from __future__ import annotations

from typing import Any

from cclgan_plugin.errors import TrainingError, line_of
from cclgan_plugin.training.distributed import all_gather_objects
from cclgan_plugin.training.stop_signals import Stopped

_MARK = '_known_to_all'


def agree(value: Any = None) -> list[Any]:
    """What every process gives, in the order of the ranks, on each of them.

    Raises:
        Stopped: another process has called :func:`end_all` instead, since a signal stops it.
        TrainingError: another one has, for another reason.
    """
    told = all_gather_objects((None, value))
    for rank, (end, _) in enumerate(told):
        if end is not None:
            stopped, reason = end
            error = Stopped(reason) if stopped else TrainingError(f'rank {rank} cannot go on: {reason}')
            setattr(error, _MARK, True)
            raise error
    return [value for _, value in told]


def end_all(error: Exception) -> None:
    """Tell the others, which :func:`agree`, of an error that ends this process; it remains to be raised."""
    if not known_to_all(error):
        all_gather_objects(((isinstance(error, Stopped), line_of(error)), None))
        setattr(error, _MARK, True)


def known_to_all(error: Exception) -> bool:
    """Whether every process has left at the same point, with this error or because of it."""
    return getattr(error, _MARK, False)
