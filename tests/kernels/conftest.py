"""Without a card Triton's interpreter runs the kernels; that of older releases does not know all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch


def _interpreter_is_too_old() -> bool:
    try:
        import triton
    except ImportError:
        return False  # the tests say so themselves
    version = tuple(int(part) for part in triton.__version__.split('.')[:2])
    new_numpy = np.lib.NumpyVersion(np.__version__) >= '2.4.0'
    return not torch.cuda.is_available() and version < ((3, 8) if new_numpy else (3, 6))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what runs kernels."""
    if _interpreter_is_too_old():
        skip = pytest.mark.skip(reason='interpreting the kernels takes Triton 3.6, with NumPy 2.4 Triton 3.8')
        for item in items:
            if Path(item.path).parent == Path(__file__).parent:
                item.add_marker(skip)
