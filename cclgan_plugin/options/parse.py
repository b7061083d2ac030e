"""From the command line to the options dict that BasicSR's pipelines work with."""

from __future__ import annotations

import logging
import os
import random
from argparse import Namespace
from pathlib import Path
from typing import Any

from cclgan_plugin.errors import OptionError
from cclgan_plugin.options.arguments import parse_arguments
from cclgan_plugin.options.check import OURS, check_options
from cclgan_plugin.options.force import force_options
from cclgan_plugin.options.inherit import LoadedOptions, load_options
from cclgan_plugin.options.resolved_file import copy_opt_file, remember

__all__ = ['copy_opt_file', 'parse_options']


def parse_options(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], Namespace]:
    """Read, check and complete the options that the command line names, in place of BasicSR's function.

    Nothing is created. With a launcher, the process joins the others. The random seed is set last, so a
    forced ``manual_seed`` counts.

    Args:
        root_path: where ``experiments/`` or ``results/`` go, unless ``path.root`` says otherwise.
        is_train: a training, or a test.

    Returns:
        The options, with what BasicSR adds to them (``dist``, ``rank``, ``world_size``, ``is_train``, the
        folders in ``path``, ``phase`` and ``scale`` of each dataset, and ``manual_seed`` too), and the parsed
        command line.

    Raises:
        OptionError: one line for each problem in the options.
    """
    from basicsr.utils import set_random_seed

    from cclgan_plugin.options import preflight

    args = parse_arguments()
    loaded = force_options(load_options(args.opt), args.force_yml or [])
    opt = check_options(loaded, is_train)
    _check_launcher(opt, loaded, args.launcher, is_train)
    preflight.install()

    _join_processes(opt, args.launcher)
    opt['manual_seed'] = _shared_seed(opt)
    set_random_seed(opt['manual_seed'] + opt['rank'])

    if args.debug:
        _set_debug_mode(opt, is_train)
    elif 'debug' in opt['name'] and is_train and opt['logger'].get('use_tb_logger') and opt['rank'] == 0:
        logging.getLogger('basicsr').warning(
            f'name: BasicSR writes no TensorBoard files for a name that holds "debug" ({opt["name"]}).'
        )
    runtime = ('dist', 'rank', 'world_size')
    remember(args.opt, {key: value for key, value in opt.items() if key not in runtime})

    opt['auto_resume'] = args.auto_resume
    opt['is_train'] = is_train
    opt['num_gpu'] = _gpu_count(opt)
    _complete_datasets(opt)
    _complete_paths(opt, root_path)
    return opt, args


def _check_launcher(opt: dict[str, Any], loaded: LoadedOptions, launcher: str, is_train: bool) -> None:
    count = opt['num_gpu']
    if opt['model_type'] == OURS and is_train and launcher == 'none' and count != 'auto' and count > 1:
        raise OptionError(
            f'{loaded.place(("num_gpu",))}: num_gpu: {count} GPUs take {count} processes: '
            f'torchrun --nproc_per_node={count} -m cclgan_plugin train -opt {loaded.file} --launcher pytorch'
        )


def _join_processes(opt: dict[str, Any], launcher: str) -> None:
    from basicsr.utils import options as basicsr_options
    from basicsr.utils.dist_util import get_dist_info

    opt['dist'] = launcher != 'none'
    if opt['dist']:
        params = dict(opt.get('dist_params') or {})
        if launcher != 'slurm':
            # torchrun has settled where the processes meet.
            params.pop('port', None)
        basicsr_options.init_dist(launcher, **params)
    opt['rank'], opt['world_size'] = get_dist_info()


def _shared_seed(opt: dict[str, Any]) -> int:
    """The given seed, or a random one that is the same in all processes."""
    if opt['manual_seed'] is not None:
        return int(opt['manual_seed'])
    drawn = [random.SystemRandom().randint(1, 10000)]
    if opt['dist']:
        import torch.distributed

        torch.distributed.broadcast_object_list(drawn, src=0)
    return drawn[0]


def _set_debug_mode(opt: dict[str, Any], is_train: bool) -> None:
    if not opt['name'].startswith('debug'):
        opt['name'] = f'debug_{opt["name"]}'
    if is_train:
        if opt.get('val') is not None:
            opt['val']['val_freq'] = 8
        opt['logger'] |= {'print_freq': 1, 'save_checkpoint_freq': 8}


def _gpu_count(opt: dict[str, Any]) -> int:
    if opt['num_gpu'] != 'auto':
        return int(opt['num_gpu'])
    from cclgan_plugin.mends.device_choice import available_gpus

    available = available_gpus()
    if opt['model_type'] != OURS or opt['dist']:
        return available
    if available > 1:
        logging.getLogger('basicsr').warning(
            f'num_gpu: auto: one of {available} GPUs is used; torchrun starts a process for each of them.'
        )
    return min(available, 1)


def _complete_datasets(opt: dict[str, Any]) -> None:
    for phase, dataset in opt['datasets'].items():
        # val_1, val_2, ... are of the phase val.
        dataset['phase'] = phase.split('_')[0]
        if opt.get('scale') is not None:
            dataset['scale'] = opt['scale']
        dataset['manual_seed'] = opt['manual_seed']
        if phase == 'train' and opt['is_train'] and opt['model_type'] == OURS:
            # What the loader deals out at a time is one whole step.
            dataset['batch_size_per_gpu'] *= opt['train']['grad_accum']
        for key, value in dataset.items():
            if isinstance(value, str) and key.startswith(('dataroot', 'meta_info')):
                dataset[key] = os.path.expanduser(value)


def _complete_paths(opt: dict[str, Any], root_path: str) -> None:
    path = opt['path']
    for key, value in path.items():
        if isinstance(value, str) and not key.startswith('param_key'):
            path[key] = os.path.expanduser(value)
    root = Path(path.pop('root', None) or root_path).absolute()
    if opt['is_train']:
        folder = root / 'experiments' / opt['name']
        path['experiments_root'] = str(folder)
        path['models'] = str(folder / 'models')
        path['training_states'] = str(folder / 'training_states')
    else:
        folder = root / 'results' / opt['name']
        path['results_root'] = str(folder)
    path['log'] = str(folder)
    path['visualization'] = str(folder / 'visualization')
