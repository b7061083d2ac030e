"""Where half precision is not enough."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` itself, or a float32 copy of a float16 or bfloat16 tensor."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
