"""Every random decision has its own seed, derived from what it is for and never from who computes it."""

from __future__ import annotations

import hashlib


def derive_seed(manual_seed: int, purpose: str, *counters: int) -> int:
    """A seed for one decision, unrelated to the seeds of all others.

    Args:
        manual_seed: of the run.
        purpose: what is decided, e.g. ``'locations'``.
        counters: which instance of it, e.g. the iteration.

    Returns:
        An int in [0, 2**63), the same on every machine, process and Python version.
    """
    text = ':'.join([str(manual_seed), purpose, *map(str, counters)])
    # A purpose may name a file, and a file's name need not be UTF-8.
    raw = text.encode('utf-8', 'surrogateescape')
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), 'big') >> 1
