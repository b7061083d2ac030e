"""Counting the operations that reach the device, without those that only look at memory another way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

#: Views in all but their schema, and allocations: nothing runs for them.
_FREE = {
    '_unsafe_view',
    '_reshape_alias',
    'empty',
    'empty_like',
    'empty_strided',
    'new_empty',
    'new_empty_strided',
}


def is_view(op: torch._ops.OpOverload) -> bool:
    """Whether an operation returns another look at its input's memory, and computes nothing."""
    if op.overloadpacket.__name__ in _FREE:
        return True
    returns = op._schema.returns
    return bool(returns) and all(r.alias_info is not None and not r.alias_info.is_write for r in returns)


class OpCount(TorchDispatchMode):
    """Counts, by name, the non-view operations run inside, forward and backward.

    One operation is one call of a kernel of PyTorch's dispatcher ("aten::convolution"). On a GPU it is one
    launch or a few; copies between devices and fused optimizers count like any other.

    Attributes:
        counts: calls by name without the namespace.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if isinstance(func, torch._ops.OpOverload) and not is_view(func):
            self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))
