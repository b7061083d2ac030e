"""Rules between options that hold for every BasicSR model: each is a function, options in, problems out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from cclgan_plugin.errors import did_you_mean
from cclgan_plugin.options.known_models import trained_like
from cclgan_plugin.options.problems import Problem

Rule = Callable[[dict[str, Any], bool], Iterator[Problem]]


def phases(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """``datasets`` holds train and val (a training) or test_1, ... (a test)."""
    datasets = options['datasets']
    allowed = ('train', 'val') if is_train else ('test', 'val')
    for phase in datasets:
        kind = phase.split('_')[0]
        if kind not in allowed or (kind == 'train' and phase != 'train'):
            run = (
                'a training takes train, val, val_2, ...' if is_train else 'a test takes test_1, test_2, ...'
            )
            yield Problem(('datasets', phase), f'unknown set "{phase}"; {run}{did_you_mean(phase, allowed)}')
    if is_train and 'train' not in datasets:
        yield Problem(('datasets', 'train'), 'this key is missing; a training needs images to train on')
    if not is_train and not datasets:
        yield Problem(('datasets',), 'there is no set to test on; name one test_1')


def training_needs_train(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """A training has ``train``."""
    if is_train and options.get('train') is None:
        yield Problem(('train',), 'this key is missing; a training needs it')


def validation_has_data(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """``val`` in a training needs a frequency, and images too in a file that is ours."""
    val = options.get('val')
    if not is_train or val is None:
        return
    ours = options['model_type'] == 'CCLGANModel'
    if ours and not any(phase.startswith('val') for phase in options['datasets']):
        yield Problem(('val',), 'there is no datasets.val to validate on; add one, or write val: ~')
    if val.get('val_freq') is None:
        yield Problem(
            ('val', 'val_freq'), 'this key is missing; a training validates every so many iterations'
        )


def set_names_differ(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Results of two sets of one name would overwrite each other."""
    names = Counter(d.get('name') for phase, d in options['datasets'].items() if phase != 'train')
    for phase, dataset in options['datasets'].items():
        name = dataset.get('name')
        if phase != 'train' and name is not None and names[name] > 1:
            yield Problem(('datasets', phase, 'name'), f'the name "{name}" is given to {names[name]} sets')


def backend_fits_root(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """``io_backend`` says lmdb exactly where the roots are databases."""
    for phase, dataset in options['datasets'].items():
        backend = dataset.get('io_backend')
        kind = backend.get('type') if isinstance(backend, dict) else 'disk'
        for key in ('dataroot_lq', 'dataroot_gt'):
            root = dataset.get(key)
            if not isinstance(root, str) or kind not in ('disk', 'lmdb'):
                continue
            if (kind == 'lmdb') != root.rstrip('/\\').endswith('.lmdb'):
                ending = 'does not end' if kind == 'lmdb' else 'ends'
                other = 'disk' if kind == 'lmdb' else 'lmdb'
                yield Problem(
                    ('datasets', phase, key),
                    f'"{root}" {ending} with .lmdb but io_backend.type is {kind}; should it be {other}?',
                )


def paired_training_is_complete(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """BasicSR's paired dataset reads these keys in a training only, and without defaults."""
    train = options['datasets'].get('train') or {}
    if train.get('type') == 'PairedImageDataset':
        for key in ('gt_size', 'use_hflip', 'use_rot'):
            if train.get(key) is None:
                yield Problem(
                    ('datasets', 'train', key), 'this key is missing; PairedImageDataset trains with it'
                )


def loader_is_complete(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """BasicSR's loader reads these keys of any training set, whose ever it is, and without defaults."""
    train = options['datasets'].get('train')
    for key in ('num_worker_per_gpu', 'batch_size_per_gpu') if train else ():
        if train.get(key) is None:
            yield Problem(('datasets', 'train', key), "this key is missing; BasicSR's loader needs it")


def prefetch_is_pinned(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """BasicSR refuses the CUDA prefetcher without pinned memory, after it has made the folders."""
    train = options['datasets'].get('train') or {}
    if train.get('prefetch_mode') == 'cuda' and not train.get('pin_memory'):
        yield Problem(('datasets', 'train', 'prefetch_mode'), '"cuda" needs pin_memory: true')


def schedule_is_sound(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """The learning rate is defined, and not zero, up to ``total_iter``."""
    train = options.get('train') or {}
    scheduler, total = train.get('scheduler') or {}, train.get('total_iter')
    path = ('train', 'scheduler')
    kind = scheduler.get('type')
    if kind == 'LinearDecayLR':
        start, end = scheduler['decay_start'], scheduler['decay_end']
        if not start < end:
            yield Problem((*path, 'decay_start'), f'{start} is not before decay_end ({end})')
        if end < total:
            yield Problem(
                (*path, 'decay_end'),
                f'{end} is before train.total_iter ({total}); the rest would run at a learning rate of zero',
            )
    restarts = {
        'MultiStepLR': 'restarts',
        'MultiStepRestartLR': 'restarts',
        'CosineAnnealingRestartLR': 'periods',
    }
    if kind in restarts:
        count, weights = len(scheduler.get(restarts[kind], [0])), len(scheduler.get('restart_weights', [1]))
        if count != weights:
            yield Problem(
                (*path, 'restart_weights'),
                f'{weights} weights for {count} {restarts[kind]}; give one for each',
            )
    if kind == 'CosineAnnealingRestartLR' and sum(scheduler['periods']) < total:
        yield Problem(
            (*path, 'periods'),
            f'the periods end in iteration {sum(scheduler["periods"])}, before train.total_iter ({total})',
        )


def wandb_has_tensorboard(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """BasicSR hands Weights & Biases what it writes to TensorBoard."""
    logger = options.get('logger') or {}
    if is_train and (logger.get('wandb') or {}).get('project') and not logger.get('use_tb_logger', True):
        yield Problem(('logger', 'wandb', 'project'), 'Weights & Biases needs logger.use_tb_logger: true')


def path_names_are_current(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Older BasicSR said pretrain_model_g and strict_load; 1.4.2 does not look at them any more."""
    theirs = trained_like(options) is None
    for key, value in (options.get('path') or {}).items():
        if value is None:
            continue  # What names nothing is not missed.
        # A model of another package may have more networks, and such names for their weights.
        old = key in ('pretrain_model_g', 'pretrain_model_d') if theirs else key.startswith('pretrain_model')
        if old:
            new = key.replace('pretrain_model', 'pretrain_network')
            yield Problem(('path', key), f'BasicSR 1.4.2 does not read this name; it is "{new}" now')
        if key == 'strict_load' and value is not True:  # true is what is done anyway
            yield Problem(('path', key), 'BasicSR 1.4.2 does not read this name; it is "strict_load_g" now')


RULES: tuple[Rule, ...] = (
    phases,
    training_needs_train,
    validation_has_data,
    set_names_differ,
    backend_fits_root,
    paired_training_is_complete,
    loader_is_complete,
    prefetch_is_pinned,
    schedule_is_sound,
    wandb_has_tensorboard,
    path_names_are_current,
)
