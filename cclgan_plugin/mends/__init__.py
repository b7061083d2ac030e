"""BasicSR 1.4.2 on today's stack, mended from outside: one symptom per file.

Each mend says in its docstring what is seen without it, since when, and when it may go. ``needed()``
lets it step aside, ``apply()`` puts it in place; what it replaces stays reachable as ``unmended``.
"""

from __future__ import annotations

import importlib
import sys

#: Before BasicSR can be imported at all.
BEFORE_IMPORT = ('torchvision_on_cpu_torch', 'torchvision_functional_tensor', 'scipy_filters')

#: Once it has been imported. Their order does not matter.
AFTER_IMPORT = (
    'safe_yaml',
    'command_line',
    'registry_lookup',
    'log_files',
    'experiment_folders',
    'device_choice',
    'degradation_device',
    'filter_layout',
    'slurm_start',
    'distributed_start',
    'ddp_wrapping',
    'dataset_building',
    'folder_order',
    'listed_names',
    'dataset_sampler',
    'loader_workers',
    'idle_prefetcher',
    'prefetch_errors',
    'prefetch_streams',
    'eight_bit_batches',
    'unreadable_images',
    'lmdb_environments',
    'epoch_arithmetic',
    'last_iteration',
    'remaining_time',
    'resume_state',
    'resume_training',
    'load_network',
    'saving',
    'optimizer_by_name',
    'scheduler_by_name',
    'cosine_periods',
    'warm_up',
    'tensor_to_image',
    'image_writing',
    'validation_folders',
    'metrics_without_truth',
    'metric_means',
    'niqe_input',
    'shared_validation',
    'best_metrics',
    'resumed_validation',
)

#: The names of the mends in place, in the order of their application.
applied: list[str] = []

_complete = False


def apply() -> None:
    """Import BasicSR, and put every mend in place that it needs here. Once; later calls do nothing."""
    global _complete
    if _complete:
        return
    _apply(BEFORE_IMPORT)
    _import_basicsr()
    _apply(AFTER_IMPORT)
    importlib.import_module(f'{__name__}.replacing').install()
    _complete = True


def _apply(names: tuple[str, ...]) -> None:
    for name in names:
        if name in applied:  # by a call that failed later on
            continue
        mend = importlib.import_module(f'{__name__}.{name}')
        if mend.needed():
            mend.apply()
            applied.append(name)


def _import_basicsr() -> None:
    """Import BasicSR, also after an attempt that failed half-way."""
    attempted = 'basicsr' not in sys.modules and any(name.startswith('basicsr.') for name in sys.modules)
    importlib.import_module('basicsr')
    if attempted:
        # The submodules of the first attempt are kept (their parts are registered), but the new package
        # does not know them as its attributes.
        for name, module in list(sys.modules.items()):
            parent, _, child = name.rpartition('.')
            known = sys.modules.get(parent) if parent.split('.')[0] == 'basicsr' else None
            if known is not None and not hasattr(known, child):
                setattr(known, child, module)
