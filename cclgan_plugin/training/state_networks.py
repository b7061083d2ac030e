"""Why a network is not there that a run to go on with should have: what to say, and what helps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def of_another_run(opt: dict[str, Any], state: str | os.PathLike[str]) -> str:
    """A sentence for a state that lies in the folder of another run; empty if it does not.

    Args:
        opt: BasicSR's options of the run that is to go on.
        state: the file.
    """
    states, own = Path(os.path.abspath(state)).parent, Path(opt['path']['training_states'])
    if states.name != own.name or states.resolve() == own.resolve():
        return ''
    run, now = states.parent, own.parent
    ways = [f'set name: {run.name}'] if run.parent.resolve() == now.parent.resolve() else []
    if not now.exists():
        ways.append(f'copy that folder to {now} first')
    return f' The state is of the run in {run}: {", or ".join(ways) or "give this run a name of its own"}.'
