"""Root may list and read everything; here it may not, and tests of permissions mean something to it too."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

import pytest

_VERSION = 0x20080522
# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of capabilities(7), both in the first of two words.
_PASSES_BY = 1 << 1 | 1 << 2


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Without the capabilities that pass by permissions: this thread, and those that it starts meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != 'linux':
        pytest.skip('root may read everything')
    libc = ctypes.CDLL(None, use_errno=True)
    # Version and thread (0 = this one); then effective, permitted, inheritable, in two words each.
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    before = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    fewer = (ctypes.c_uint32 * 6)(*before)
    fewer[0] &= ~_PASSES_BY
    assert libc.capset(header, fewer) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0
