"""Products of bfloat16 numbers on CPUs that have no instructions for them.

PyTorch falls back there to loops that are dozens of times slower than float32. What the instructions
(AVX512-BF16, AMX, tensor cores) do is to multiply bfloat16 numbers exactly and to add the products up in
float32: float32 products of the same numbers, rounded to bfloat16 at the end. That is what is computed here,
at about the speed of float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

_aten = torch.ops.aten
_PRODUCTS = (
    _aten.convolution.default,
    _aten.convolution_backward.default,
    _aten.mm.default,
    _aten.bmm.default,
    _aten.addmm.default,
    _aten.baddbmm.default,
)


class Bf16Products(TorchDispatchMode):
    """Inside, convolutions and matrix products of bfloat16, forward and backward, are computed in float32."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        halves = func in _PRODUCTS and any(isinstance(a, Tensor) and a.dtype is torch.bfloat16 for a in args)
        if not halves:
            return func(*args, **(kwargs or {}))
        result = func(*tree_map_only(Tensor, Tensor.float, args), **(kwargs or {}))
        return tree_map_only(Tensor, Tensor.bfloat16, result)


def bf16_products(device: torch.device) -> AbstractContextManager[Any]:
    """:class:`Bf16Products` on a CPU that lacks the instructions, elsewhere nothing."""
    lacks = device.type == 'cpu' and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return Bf16Products() if lacks else nullcontext()
