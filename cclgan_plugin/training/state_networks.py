"""Why a network is not there that a run to go on with should have: what to say, and what helps."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

#: What in ``train:`` needs a network, by its name without ``network_``.
_NEEDED_BY = {
    'h': ('lcl_opt', 'contrastive_opt.lcl', 'optim_h'),
    'g_rain': ('cycle_opt', 'intra_ccl_opt', 'inter_ccl_opt'),
    'd': ('gan_opt', 'optim_d'),
}


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


def of_networks_added(opt: dict[str, Any], file: str | os.PathLike[str], saved: Collection[str]) -> str:
    """An error's words for a network that the options have and the run to go on with had not; else empty.

    Args:
        opt: BasicSR's options of the run that is to go on.
        file: where the weights of the network should be.
        saved: the names of the files that the state goes with; empty if it does not tell.
    """
    path, file = opt.get('path', {}), Path(file)
    state, models = path.get('resume_state'), path.get('models')
    if not (state and models and saved) or file.parent != Path(models) or file.name in saved or file.exists():
        return ''
    number = Path(state).stem
    own = file.name.removeprefix('net_').removesuffix(f'_{number}.pth')
    named = {own, *(key.removeprefix('network_') for key in opt if key.startswith('network_'))}
    added = sorted(name for name in named if f'net_{name}_{number}.pth' not in saved)
    needing = [
        f'train.{key}'
        for network, keys in _NEEDED_BY.items()
        if network in added
        for key in keys
        if _is_given(opt['train'], key)
    ]
    networks = ', '.join(f'network_{name}' for name in added)
    return (
        f'There is no file {file}: the run of {state} had no {networks}. Leave out {networks}'
        f'{"".join(f", {key}" for key in needing)}; or begin a new run, of another name and without a state, '
        f'from its weights: path.pretrain_network_g: {file.parent / f"net_g_{number}.pth"}'
    )


def _is_given(options: dict[str, Any], key: str) -> bool:
    first, _, rest = key.partition('.')
    value = options.get(first)
    return bool(value) if not rest else isinstance(value, dict) and _is_given(value, rest)
