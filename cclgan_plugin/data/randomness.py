"""Random numbers that depend on what they are for, never on who draws them or in which order."""

from __future__ import annotations

import numpy as np

from cclgan_plugin.seeds import derive_seed


def generator(manual_seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """The random generator of one decision; other arguments give independent numbers.

    Args:
        manual_seed: of the run.
        purpose: what the numbers decide, e.g. ``'crop lq'``.
        counters: which instance of it, e.g. epoch and position.
    """
    return np.random.Generator(np.random.PCG64(derive_seed(manual_seed, purpose, *counters)))
