"""The most memory that a process, or a graphics card, has held."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def process_peak() -> int:
    """Bytes of main memory that this process has held at most since it started its program.

    Linux hands ``ru_maxrss`` down from the parent to a process it starts, so that a small child of a large
    parent reports the parent's peak; ``VmHWM`` starts anew. Elsewhere there is only ``ru_maxrss``.
    """
    found = peak_of_process('self')
    if found:
        return found
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peak_of_process(pid: int | str) -> int:
    """Bytes of main memory that a running process has held so far at most; 0 where Linux does not tell."""
    try:
        status = Path(f'/proc/{pid}/status').read_text(encoding='ascii')
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1]) * 1024
    return 0


def peak_of_command(command: Sequence[str]) -> dict[str, int]:
    """Run a command whose last line of output is a JSON object of numbers, and return that.

    Raises:
        RuntimeError: the command failed; with what it said.
    """
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f'measuring peak memory failed ({result.returncode}):\n{result.stderr.strip()}')
    found: dict[str, int] = json.loads(result.stdout.splitlines()[-1])
    return found


def reset_card_peak() -> None:
    """Forget the card's peak so far."""
    import torch  # not above: a process that measures something small should be small itself

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def card_peak() -> int:
    """Bytes that tensors have taken on the current card at most since :func:`reset_card_peak`."""
    import torch

    return torch.cuda.max_memory_allocated()
