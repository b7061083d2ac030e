"""Random numbers that depend on what they are for, never on who draws them or in which order."""

from __future__ import annotations

import zlib

import numpy as np

_WORD = 0xFFFFFFFF


def generator(seed: int, purpose: str, *where: int) -> np.random.Generator:
    """The random generator of one decision.

    The same arguments give the same numbers in every process; other arguments give independent ones.

    Args:
        seed: ``manual_seed`` of the run.
        purpose: what the numbers decide, e.g. ``'crop lq'``.
        where: the place of the decision, e.g. epoch and position; numbers in [0, 2**32).
    """
    # Every part takes a fixed number of 32-bit words, because SeedSequence cannot tell [1, 0] from [1].
    words = [seed & _WORD, (seed >> 32) & _WORD, zlib.crc32(purpose.encode()), len(where), *where]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
