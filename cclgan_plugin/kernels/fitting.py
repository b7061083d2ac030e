"""Which tensors the kernels take, and whether there is a compiler for them."""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor

from cclgan_plugin.kernels.layout import is_channels_last

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
#: The kernels count in 32 bits, and an up-sampled or padded image is larger than what went in.
MOST_NUMBERS = 2**29
#: Compute capability; older cards have no bfloat16.
OLDEST = (8, 0)


def fits(x: Tensor) -> bool:
    """Whether the kernels can take ``(N, C, H, W)`` images: channels-last, on a card with a compiler for it.

    Compiled code never takes them: ``torch.compile`` fuses PyTorch's own operators with their neighbours.
    """
    return _takes(x) and is_channels_last(x)


def compares(a: Tensor, b: Tensor) -> bool:
    """Whether the kernels can take two ``(N, ...)`` tensors: alike in memory, and without gaps there."""
    return (
        _takes(a)
        and (a.shape, a.dtype, a.stride()) == (b.shape, b.dtype, b.stride())
        and a.device == b.device
        and a.dim() > 1
        and (a.is_contiguous() or is_channels_last(a))
    )


def _takes(x: Tensor) -> bool:
    return (
        x.is_cuda
        and x.dtype in DTYPES
        and 0 < x.numel() < MOST_NUMBERS
        and not torch.compiler.is_compiling()
        and works_on(x.device)
    )


@cache
def works_on(device: torch.device) -> bool:
    """Whether Triton can build and run the kernels on a device, found out once by a small and a large one."""
    if device.type != 'cuda' or torch.version.hip or torch.cuda.get_device_capability(device) < OLDEST:
        return False
    try:
        from cclgan_plugin.kernels.norm import normalise, normalise_backward
        from cclgan_plugin.kernels.padding import pad

        probe = torch.ones((1, 8, 2, 2), device=device).contiguous(memory_format=torch.channels_last)
        if not (pad(probe, (1, 1, 1, 1)) == 1).all():
            return False
        _, mean, rstd = normalise(probe, 1e-5, 0.0)
        return bool(normalise_backward(probe, probe, mean, rstd, 0.0).isfinite().all())
    except Exception as error:  # whatever a missing or broken compiler raises: PyTorch's kernels do as well
        logging.getLogger('basicsr').warning(
            f"the fused kernels cannot be built here, PyTorch's own, which are slower, run instead: {error}"
        )
        return False
