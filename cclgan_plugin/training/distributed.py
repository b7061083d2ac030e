"""What the processes of a run tell each other."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from torch import distributed as dist
from torch import nn

_words: list[tuple[Any, Any]] = []

#: Whether what ends this process now ends all of them at one point, where they can still save together.
ending_together: ContextVar[bool] = ContextVar('ending_together', default=False)


def is_distributed() -> bool:
    """Whether a process group is up."""
    return dist.is_available() and dist.is_initialized()


def words_group() -> Any:
    """The group for what hosts tell each other: gloo, so that no host waits for its GPU.

    The first call must be made by all processes together.
    """
    if dist.get_backend() == 'gloo':
        return dist.group.WORLD
    default = dist.group.WORLD
    if not _words or _words[0][0] is not default:
        _words[:] = [(default, dist.new_group(backend='gloo'))]
    return _words[0][1]


def gather_objects(value: Any) -> list[Any]:
    """What every process gives, in the order of the ranks, on rank 0; elsewhere an empty list."""
    if not is_distributed():
        return [value]
    first = dist.get_rank() == 0
    found: list[Any] = [None] * dist.get_world_size() if first else []
    dist.gather_object(value, found if first else None, dst=0, group=words_group())
    return found


def all_gather_objects(value: Any) -> list[Any]:
    """What every process gives, in the order of the ranks, on each of them."""
    if not is_distributed():
        return [value]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value, group=words_group())
    return found


def from_first(value: Any) -> Any:
    """What rank 0 gives, on every process."""
    if not is_distributed():
        return value
    told = [value]
    dist.broadcast_object_list(told, src=0, group=words_group())
    return told[0]


def wait_for_all() -> None:
    """Go on when every process has got here; hosts wait, and GPUs go on with what they have to do."""
    if is_distributed():
        dist.barrier(group=words_group())


def broadcast_weights(nets: Iterable[nn.Module]) -> None:
    """Give every process the weights and buffers of rank 0; each rank has drawn its own."""
    if is_distributed():
        for net in nets:
            for tensor in (*net.parameters(), *net.buffers()):
                dist.broadcast(tensor.data, src=0)
