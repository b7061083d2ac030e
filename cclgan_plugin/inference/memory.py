"""How much memory there is, and how users write amounts of it."""

from __future__ import annotations

import ctypes
import re
import sys

import numpy as np
import psutil
import torch

from cclgan_plugin.errors import OptionError
from cclgan_plugin.inference.container_memory import left_in_container

_UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}
#: More than any machine has.
_MOST = 2**63
_AMOUNT = re.compile(r'(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?', re.IGNORECASE)

#: What convolutions and the allocator take beside the tensors: 100 MiB were measured on two threads.
_UNSEEN = 160 * 2**20

#: Without a limit of the user's, this part of what is free is used.
_SHARE = 0.8


def parse_memory(text: str | int) -> int:
    """Bytes of an amount such as ``2G``, ``1.5GiB`` or ``800M``; units are powers of 1024.

    Raises:
        OptionError: no such amount.
    """
    if isinstance(text, (int, np.integer)) and not isinstance(text, bool) and text > 0:
        return int(text)
    found = _AMOUNT.fullmatch(text.strip()) if isinstance(text, str) else None
    # In floats, many digits are infinite.
    amount = int(min(float(found[1]) * _UNITS[found[2].upper()], _MOST)) if found else 0
    if not 0 < amount < _MOST:
        raise OptionError(f'memory "{text}": expected an amount such as 800M, 2G or 1.5G')
    return amount


def budget(limit: int | None, device: torch.device) -> int:
    """Bytes that an image may take.

    Args:
        limit: for the whole process on the CPU, or of the card's memory on a GPU; None = what is free.
        device: that computes.

    Returns:
        What is left of the limit; perhaps nothing, or less.
    """
    if device.type == 'cuda':
        free, _ = torch.cuda.mem_get_info(device)
        # What torch holds back for reuse is free for us.
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        allowed = free if limit is None else limit - torch.cuda.memory_allocated(device)
        return min(allowed, int(free * 0.9))
    if limit is None:
        return int(_available() * _SHARE)
    _give_back()
    return limit - psutil.Process().memory_info().rss - _UNSEEN


def check_limit(limit: int, device: torch.device) -> None:
    """Makes sure that a limit leaves anything at all, so that not every picture is refused for it.

    Raises:
        OptionError: the program takes more already.
    """
    left = budget(limit, device)
    if left <= 0:
        raise OptionError(
            f'--memory: {limit / 2**20:.0f} MiB are allowed, but the program alone takes '
            f'{(limit - left) / 2**20:.0f} MiB; expected more than that'
        )


def _give_back() -> None:
    """What earlier pictures have freed goes back to the system, which counts it as ours till then."""
    if sys.platform == 'linux':
        trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # of glibc; others have none
        if trim is not None:
            trim(0)


def _available() -> int:
    available = int(psutil.virtual_memory().available)
    # In a container the kernel counts the memory of the whole machine as available.
    left = left_in_container()
    return available if left is None else min(available, left)
