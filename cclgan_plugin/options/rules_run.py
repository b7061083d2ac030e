"""Rules between the options of CCLGANModel: images, weights and iterations that make sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cclgan_plugin.errors import did_you_mean
from cclgan_plugin.options import registered
from cclgan_plugin.options.known_models import trained_like
from cclgan_plugin.options.problems import Problem
from cclgan_plugin.options.rules import Rule
from cclgan_plugin.options.schema.groups import NETWORKS


def optimizers_are_fused(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """CCLGANModel asks for torch's fused kernels, which not every optimizer has."""
    train = options['train'] or {}
    for key in ('optim_g', 'optim_d', 'optim_h'):
        block = train.get(key)
        signature = registered.signature_of('optimizer', block['type']) if block else None
        if block and signature and 'fused' not in signature.known:
            fused = [n for n in registered.names_of('optimizer') if 'fused' in _known('optimizer', n)]
            yield Problem(('train', key, 'type'), f'CCLGANModel uses fused optimizers: {", ".join(fused)}')
        if block and block.get('fused') is False:
            # Skipping an iteration on a GPU is left to them, and on the CPU they are the faster ones too.
            yield Problem(('train', key, 'fused'), 'CCLGANModel uses fused optimizers; leave it out')


def _known(kind: Any, name: str) -> tuple[str, ...]:
    signature = registered.signature_of(kind, name)
    return signature.known if signature else ()


def graphs_can_be_recorded(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """CUDA graphs are recorded of whole steps, on one CUDA device."""
    train = options['train'] or {}
    if not is_train or not train.get('cuda_graphs'):
        return
    import torch

    if options['num_gpu'] == 0 or not torch.cuda.is_available():
        yield Problem(('train', 'cuda_graphs'), 'this run has no CUDA GPU; leave it out')
    if train['grad_accum'] > 1:
        yield Problem(
            ('train', 'grad_accum'), 'a step that is recorded (cuda_graphs) takes its batch at once'
        )
    if train['amp'] == 'fp16':
        problem = (
            'what scales gradients changes from step to step and is not recorded (cuda_graphs); use bf16'
        )
        yield Problem(('train', 'amp'), problem)


def crops_suffice(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """The discriminators see nothing in crops below 32 pixels; a resized image holds at least one crop."""
    train = options['datasets'].get('train') or {}
    size = train.get('gt_size')
    if is_train and isinstance(size, int):
        if size < 32:
            yield Problem(('datasets', 'train', 'gt_size'), f'expected at least 32 pixels, got {size}')
        if isinstance(train.get('resize'), int) and train['resize'] < size:
            yield Problem(
                ('datasets', 'train', 'resize'), f'{train["resize"]} is smaller than gt_size ({size})'
            )


def sides_differ(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Rainy and rain-free images from one folder are a slip of the pen."""
    train = options['datasets'].get('train') or {}
    root = train.get('dataroot_lq')
    # A dataset of another package may have other names for its folders, and neither of these.
    same = root is not None and root == train.get('dataroot_gt')
    if is_train and same and train.get('meta_info_file_lq') == train.get('meta_info_file_gt'):
        yield Problem(
            ('datasets', 'train', 'dataroot_gt'), 'the rainy and the rain-free side are the same images'
        )


def phases_have_their_dataset(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Unpaired random crops are for training only, single images not for training; values stay in [0, 1]."""
    for phase, dataset in options['datasets'].items():
        if phase != 'train' and dataset['type'] == 'UnpairedImageDataset':
            yield Problem(
                ('datasets', phase, 'type'),
                'UnpairedImageDataset gives random crops for training; use PairedImageDataset, or '
                'SingleImageDataset without ground truth',
            )
        if phase == 'train' and dataset['type'] == 'SingleImageDataset':
            yield Problem(('datasets', phase, 'type'), 'a training needs two sides: UnpairedImageDataset')
        for key in ('mean', 'std', 'color'):
            if dataset.get(key) is not None:
                yield Problem(
                    ('datasets', phase, key), 'the networks take RGB images in [0, 1]; leave this key out'
                )


def weights_have_a_network(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Weights are named for networks that exist; a test has weights at all."""
    path = options['path']
    for name in NETWORKS:
        key = f'pretrain_network_{name}'
        if path[key] is not None and options[f'network_{name}'] is None:
            yield Problem(('path', key), f'there is no network_{name} that these weights could go to')
    if not is_train and path['pretrain_network_g'] is None:
        yield Problem(
            ('path', 'pretrain_network_g'),
            'this key is missing; without weights a test would show what an untrained network does',
        )
    for i, name in enumerate(path['ignore_resume_networks'] or []):
        if name not in [f'network_{n}' for n in NETWORKS]:
            hint = did_you_mean(name, [f'network_{n}' for n in NETWORKS])
            yield Problem(('path', 'ignore_resume_networks', i), f'there is no network "{name}".{hint}')


def generators_are_trained(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Some iteration trains the generators."""
    train = options['train']
    if not is_train or train is None:
        return
    first = (train['net_d_init_iters'] // train['net_d_iters'] + 1) * train['net_d_iters']
    if first > train['total_iter']:
        key = 'net_d_init_iters' if train['net_d_init_iters'] >= train['total_iter'] else 'net_d_iters'
        yield Problem(
            ('train', key),
            f'with {train[key]} the generators take no step in {train["total_iter"]} iterations',
        )


def losses_are_minimised(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """A negative weight would make a loss grow; BasicSR's other models may subtract one on purpose."""
    train = options['train'] or {}
    for key in ('idt_opt', 'cycle_opt'):
        weight = (train.get(key) or {}).get('loss_weight', 1.0)
        if weight < 0:
            path = ('train', key, 'loss_weight')
            yield Problem(path, f'expected a number of at least 0, got {weight:g}')
    for key in ('idt_opt', 'cycle_opt', *(['pixel_opt'] if trained_like(options) else [])):
        if (train.get(key) or {}).get('reduction') == 'none':
            path = ('train', key, 'reduction')
            yield Problem(path, 'with none the loss is a map of pixels, of which nothing can be learnt')


def best_is_measured(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """The best network is judged by a metric that there is."""
    wanted = options['logger'].get('keep_best')
    metrics = list((options['val'] or {}).get('metrics') or {})
    if is_train and wanted is not None and wanted not in metrics:
        yield Problem(
            ('logger', 'keep_best'),
            f'there is no metric "{wanted}" in val.metrics.{did_you_mean(wanted, metrics)}',
        )
        return
    from cclgan_plugin.mends.metrics_without_truth import measuring_sets

    if is_train and wanted is not None:
        kind = options['val']['metrics'][wanted]['type']
        if not any(measuring_sets(options['datasets'], kind)):
            yield Problem(
                ('logger', 'keep_best'),
                f'no validation set has the ground truth that "{wanted}" ({kind}) needs',
            )


RUN_RULES: tuple[Rule, ...] = (
    optimizers_are_fused,
    graphs_can_be_recorded,
    crops_suffice,
    sides_differ,
    phases_have_their_dataset,
    weights_have_a_network,
    generators_are_trained,
    losses_are_minimised,
    best_is_measured,
)
