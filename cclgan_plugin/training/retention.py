"""Which checkpoints stay: the newest, as far as asked for."""

from __future__ import annotations

import re
from pathlib import Path

# A best one may end like an iteration, by the name of its metric: psnr_4.
_NETWORK = re.compile(r'net_(?!g_best_)\w+?_(\d+)\.pth')


def numbered_states(folder: str | Path) -> list[Path]:
    """The training states of a folder whose names are iterations, oldest first."""
    found = (path for path in Path(folder).glob('*.state') if path.stem.isdecimal())
    return sorted(found, key=lambda path: int(path.stem))


def remove_older(models: str | Path, states: str | Path, current_iter: int, keep: int) -> list[int]:
    """Remove all but the newest training states up to ``current_iter``, and the networks saved with them.

    Networks of other names (``latest``, ``best``), and those without a state, stay.

    Args:
        models: the folder of the networks.
        states: the folder of the states.
        current_iter: just saved; it and what a longer run has saved later stay.
        keep: how many states stay, at least 1.

    Returns:
        The iterations that were removed.
    """
    found = [int(path.stem) for path in numbered_states(states)]
    older = [iteration for iteration in found if iteration <= current_iter]
    removed = older[:-keep]
    for iteration in removed:
        # The state first: a kill in between must not leave a state without its networks.
        Path(states, f'{iteration}.state').unlink(missing_ok=True)
        for path in Path(models).glob(f'net_*_{iteration}.pth'):
            match = _NETWORK.fullmatch(path.name)
            if match and int(match[1]) == iteration:
                path.unlink(missing_ok=True)
    return removed
