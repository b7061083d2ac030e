"""A look at what the options name (files, folders, weights) before a run creates or renames anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cclgan_plugin.options.preflight_data import check_datasets
from cclgan_plugin.options.preflight_surroundings import (
    check_encoders,
    check_output_folder,
    check_prefetching,
    check_wandb,
)
from cclgan_plugin.options.preflight_weights import check_weights

#: In the order of what costs least.
CHECKS: tuple[Callable[[dict[str, Any]], None], ...] = (
    check_output_folder,
    check_wandb,
    check_prefetching,
    check_datasets,
    check_weights,
    check_encoders,
)


def preflight(opt: dict[str, Any]) -> None:
    """Look at everything that a run will need, and leave no trace.

    Args:
        opt: the options as ``parse_options`` returns them.

    Raises:
        DataError: images are missing, cannot be decoded, or do not match.
        WeightsError: a weights file is missing, unreadable, or made for another network.
        OptionError: the output folder cannot be written, or a package or a GPU is missing.
    """
    import torch

    # The seed has been set already; a run must not depend on what was looked at.
    with torch.random.fork_rng(devices=[]):
        for check in CHECKS:
            check(opt)


def install() -> None:
    """Have :func:`preflight` called before a run makes its folders, and before it resumes. Once."""
    from cclgan_plugin.mends.experiment_folders import before_create

    if preflight not in before_create:
        before_create.append(preflight)
