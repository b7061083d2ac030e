"""``deterministic: true``: the same bits at each run, or the name of the operation that prevents it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cclgan_plugin.errors import TrainingError


def be_deterministic() -> None:
    """Let torch choose deterministic kernels, and refuse operations that have none.

    To be called before the first product on a GPU, and after BasicSR has switched cuDNN's search on.
    """
    # cuBLAS reads this when it starts: without a workspace of fixed size its sums have no fixed order.
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    torch.use_deterministic_algorithms(True)
    # The search takes whichever kernel was faster this time.
    torch.backends.cudnn.benchmark = False


@contextmanager
def named_operations() -> Iterator[None]:
    """Turn torch's refusal of an operation into an error that speaks of the option.

    Raises:
        TrainingError: an operation inside has no deterministic kernel here.
    """
    try:
        yield
    except RuntimeError as error:
        operation, found, _ = str(error).partition(' does not have a deterministic implementation')
        if not found:
            raise
        raise TrainingError(
            f'deterministic: true: the operation {operation} has no deterministic kernel on this device. '
            'Train on another device, leave out what needs the operation, or set deterministic: false.'
        ) from error
