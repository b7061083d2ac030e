"""Options that are right by themselves but contradict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.errors import OptionError
from cclgan_plugin.options import rules, rules_models, rules_networks, rules_run, rules_switched_off

ONE_SIDED = ('network_g_rain=null', 'network_d_rain=null')
#: rule -> (overrides of the tiny training, start of the expected text after file and line)
TRAINING = {
    'phases': [
        (
            ('datasets:trian={type: PairedImageDataset, name: x, dataroot_lq: a, dataroot_gt: b}',),
            'unknown set "trian"; a training takes train, val, val_2, ... Did you mean "train"?',
        ),
        (
            ('datasets:train=null',),
            'datasets.train: this key is missing; a training needs images to train on',
        ),
        (
            ('datasets:train_2={type: PairedImageDataset, name: x, dataroot_lq: a, dataroot_gt: b}',),
            'datasets.train_2: unknown set',
        ),
    ],
    'training_needs_train': [(('train=null',), 'train: this key is missing; a training needs it')],
    'validation_has_data': [
        (('datasets:val=null',), 'val: there is no datasets.val to validate on'),
        (('val:val_freq=null',), 'val.val_freq: this key is missing'),
    ],
    'set_names_differ': [
        (
            ('datasets:val_2={type: SingleImageDataset, name: pairs, dataroot_lq: a}',),
            'datasets.val_2.name: the name "pairs" is given to 2 sets',
        ),
    ],
    'backend_fits_root': [
        (
            ('datasets:train:dataroot_lq=a.lmdb',),
            'dataroot_lq: "a.lmdb" ends with .lmdb but io_backend.type is disk; should it be lmdb?',
        ),
        (
            ('datasets:val:io_backend:type=lmdb',),
            'datasets.val.dataroot_lq: "val/rainy" does not end with .lmdb but io_backend.type is lmdb',
        ),
    ],
    'paired_training_is_complete': [
        (
            ('datasets:train:type=PairedImageDataset', 'datasets:train:batch_size_per_gpu=1'),
            'datasets.train.use_hflip: this key is missing; PairedImageDataset trains with it',
        ),
    ],
    'graphs_can_be_recorded': [
        (
            ('train:cuda_graphs=true', 'num_gpu=0'),
            'train.cuda_graphs: this run has no CUDA GPU; leave it out',
        ),
        (
            ('train:cuda_graphs=true', 'train:grad_accum=2'),
            'train.grad_accum: a step that is recorded (cuda_graphs) takes its batch at once',
        ),
        (
            ('train:cuda_graphs=true', 'train:amp=fp16'),
            'train.amp: what scales gradients changes from step to step and is not recorded (cuda_graphs); '
            'use bf16',
        ),
    ],
    'loader_is_complete': [
        (
            ('datasets:train={_: 1, type: REDSDataset, name: x, num_worker_per_gpu: 0}',),
            "datasets.train.batch_size_per_gpu: this key is missing; BasicSR's loader needs it",
        ),
    ],
    'prefetch_is_pinned': [
        (
            ('datasets:train:prefetch_mode=cuda',),
            'datasets.train.prefetch_mode: "cuda" needs pin_memory: true',
        )
    ],
    'schedule_is_sound': [
        (('train:scheduler:decay_start=4',), 'train.scheduler.decay_start: 4 is not before decay_end (4)'),
        (('train:total_iter=5',), 'train.scheduler.decay_end: 4 is before train.total_iter (5)'),
        (
            ('train:scheduler={_: 1, type: CosineAnnealingRestartLR, periods: [2, 1]}',),
            'train.scheduler.restart_weights: 1 weights for 2 periods',
        ),
        (
            ('train:scheduler={_: 1, type: CosineAnnealingRestartLR, periods: [3]}',),
            'train.scheduler.periods: the periods end in iteration 3, before train.total_iter (4)',
        ),
        (
            ('train:scheduler={_: 1, type: MultiStepLR, milestones: [1], restarts: [0, 2]}',),
            'train.scheduler.restart_weights: 1 weights for 2 restarts',
        ),
    ],
    'wandb_has_tensorboard': [
        (
            ('logger:wandb:project=x', 'logger:use_tb_logger=false'),
            'logger.wandb.project: Weights & Biases needs logger.use_tb_logger: true',
        ),
    ],
    'networks_come_in_pairs': [
        (
            ('network_d=null', 'train:inter_ccl_opt=null'),
            'network_d: this key is missing; a training needs a discriminator',
        ),
        (('network_d_rain=null',), 'network_g_rain: network_g_rain is given without network_d_rain'),
        (('network_g_rain=null',), 'network_d_rain: network_d_rain is given without network_g_rain'),
        (ONE_SIDED, 'network_h_rain: the head for rainy images belongs to a two-sided training'),
    ],
    'losses_have_networks': [
        (ONE_SIDED, 'train.intra_ccl_opt: this loss needs network_g_rain and network_d_rain'),
        (ONE_SIDED, 'train.inter_ccl_opt: this loss needs network_g_rain and network_d_rain'),
        ((*ONE_SIDED, 'train:cycle_opt={type: L1Loss}'), 'train.cycle_opt: this loss needs network_g_rain'),
        (ONE_SIDED, 'train.lcl_opt.terms: the term "reconstruction" needs network_g_rain and network_d_rain'),
        (('network_h=null',), 'network_h: this key is missing; train.lcl_opt needs it'),
        (('network_h_rain=null',), 'network_h_rain: this key is missing; train.lcl_opt needs it'),
        (('train:optim_h=null',), 'train.optim_h: this key is missing; train.lcl_opt has heads to train'),
    ],
    'lists_name_once': [
        (
            ('train:lcl_opt:layers=[down1, down2, down1]',),
            'train.lcl_opt.layers[2]: "down1" stands twice in this list',
        ),
        (
            ('train:lcl_opt:terms=[translation, translation]',),
            'train.lcl_opt.terms[1]: "translation" stands twice',
        ),
    ],
    'layers_exist': [
        (
            ('train:lcl_opt:layers=[down1, blokc1]',),
            'lcl_opt.layers[1]: network_g (CCLGANGenerator) has no level "blokc1". Did you mean "block1"? '
            'It has: down1, down2, block1',
        ),
        (
            ('train:inter_ccl_opt:layers=[conv9]',),
            'train.inter_ccl_opt.layers[0]: network_d (CCLGANDiscriminator) has no level "conv9".',
        ),
    ],
    'networks_give_levels': [
        (
            ('network_g={_: 1, type: SRVGGNetCompact, upscale: 1}',),
            'network_g.type: CCLGANModel trains CCLGANGenerator or a class with its methods; SRVGGNetCompact '
            'has no forward_features and no encode and no feature_sizes',
        ),
        (
            ('network_d_rain={_: 1, type: VGGStyleDiscriminator, num_in_ch: 3, num_feat: 8}',),
            'network_d_rain.type: CCLGANModel trains CCLGANDiscriminator or a class with its methods',
        ),
        (
            (
                *('train:lcl_opt=~', 'train:optim_h=~', 'network_h=~', 'network_h_rain=~'),
                'network_g_rain={_: 1, type: SRVGGNetCompact, upscale: 1}',
            ),
            'SRVGGNetCompact has no forward_features',
        ),
    ],
    'levels_are_alike': [
        (
            ('network_g_rain:anti_alias=false',),
            'network_g_rain: level "down1" is 4 x 128 x 128 here and 4 x 256 x 256 in network_g',
        ),
        (
            ('network_g:anti_alias=false',),  # it would run, and compare different places
            'network_g_rain: level "down1" is 4 x 256 x 256 here and 4 x 128 x 128 in network_g',
        ),
        (
            ('network_g_rain:width=32',),
            'network_g_rain: level "down1" is 64 x 256 x 256 here and 4 x 256 x 256 in network_g',
        ),
        (
            ('network_d:anti_alias=false',),
            'network_d_rain: level "conv2" is 127 x 127 here and 64 x 64 in network_d, for an image of',
        ),
    ],
    'losses_are_the_right_ones': [
        (
            ('train:lcl_opt={_: 1, type: L1Loss}',),
            'train.lcl_opt.type: expected LCLLoss or a class derived from it, got L1Loss',
        ),
    ],
    'optimizers_are_fused': [
        (
            ('train:optim_g:type=RAdam',),
            'train.optim_g.type: CCLGANModel uses fused optimizers: Adam, AdamW, SGD',
        ),
        (
            ('train:optim_g={_: 1, type: AdamW, lr: 1.0e-3, fused: false}',),
            'train.optim_g.fused: CCLGANModel uses fused optimizers; leave it out',
        ),
    ],
    'layer_weights_fit': [
        (
            ('train:intra_ccl_opt:encoder:layer_weights=[1, 2]',),
            'train.intra_ccl_opt.encoder.layer_weights: 2 weights for 1 layers',
        ),
        (
            ('train:intra_ccl_opt:encoder=[{type: VGG19Encoder, layer_weights: [1]}]',),
            'train.intra_ccl_opt.encoder[0].layer_weights: 1 weights for 3 layers',
        ),
    ],
    'options_of_losses_are_read': [
        (
            ('train:lcl_opt:terms=[translation, identity]', 'train:lcl_opt:cycle_encoders=release'),
            'train.lcl_opt.cycle_encoders: read only where train.lcl_opt.terms says "reconstruction", and it '
            'says translation, identity; leave it out, or write domain (its default)',
        ),
        (
            (
                'train:intra_ccl_opt:anchors=[translation]',
                'train:intra_ccl_opt:translation_weight=5.0',
            ),
            'train.intra_ccl_opt.translation_weight: read only where train.intra_ccl_opt.anchors says '
            '"reconstruction", and it says translation; leave it out, or write 0.1 (its default)',
        ),
        (
            ('train:inter_ccl_opt:pooling=mean', 'train:inter_ccl_opt:num_patches=8'),
            'train.inter_ccl_opt.num_patches: read only where train.inter_ccl_opt.pooling says "sample", and '
            'it says mean; leave it out, or write 64 (its default)',
        ),
    ],
    'crops_suffice': [
        (
            ('datasets:train:gt_size=64', 'datasets:train:resize=48'),
            'datasets.train.resize: 48 is smaller than gt_size (64)',
        ),
    ],
    'sides_differ': [
        (
            ('datasets:train:dataroot_gt=rainy',),
            'datasets.train.dataroot_gt: the rainy and the rain-free side are the same images',
        )
    ],
    'phases_have_their_dataset': [
        (
            ('datasets:val={_: 1, type: UnpairedImageDataset, name: x, dataroot_lq: a, dataroot_gt: b}',),
            'datasets.val.type: UnpairedImageDataset gives random crops for training',
        ),
        (('datasets:val:mean=[0.5, 0.5, 0.5]',), 'datasets.val.mean: the networks take RGB images in [0, 1]'),
    ],
    'weights_have_a_network': [
        (
            ('path:ignore_resume_networks=[network_x]',),
            'path.ignore_resume_networks[0]: there is no network "network_x".',
        ),
        (
            (*ONE_SIDED, 'path:pretrain_network_g_rain=x.pth'),
            'path.pretrain_network_g_rain: there is no network_g_rain',
        ),
    ],
    'generators_are_trained': [
        (
            ('train:net_d_init_iters=4',),
            'train.net_d_init_iters: with 4 the generators take no step in 4 iterations',
        ),
        (('train:net_d_iters=5',), 'train.net_d_iters: with 5 the generators take no step in 4 iterations'),
        (
            ('train:net_d_iters=3', 'train:net_d_init_iters=3'),
            'train.net_d_iters: with 3 the generators take no step in 4 iterations',
        ),
    ],
    'losses_are_minimised': [
        (
            ('train:idt_opt:loss_weight=-1',),
            'train.idt_opt.loss_weight: expected a number of at least 0, got -1',
        ),
        (('train:idt_opt:reduction=none',), 'train.idt_opt.reduction: with none the loss is a map of pixels'),
    ],
    'best_is_measured': [
        (('logger:keep_best=lpips',), 'logger.keep_best: there is no metric "lpips" in val.metrics.'),
        (
            (
                'datasets:val={_: 1, type: SingleImageDataset, name: x, dataroot_lq: a}',
                'logger:keep_best=psnr',
            ),
            'logger.keep_best: no validation set has the ground truth that "psnr" (calculate_psnr) needs',
        ),
    ],
}
TEST = {
    'phases': [
        (
            ('datasets:train={type: PairedImageDataset, name: x, dataroot_lq: a, dataroot_gt: b}',),
            'datasets.train: unknown set "train"; a test takes test_1, test_2, ...',
        ),
        (('datasets:test_1=null',), 'datasets: there is no set to test on'),
    ],
    'weights_have_a_network': [
        (('path:pretrain_network_g=null',), 'path.pretrain_network_g: this key is missing')
    ],
    'test_shows_something': [
        (('val:save_img=false',), 'val: this test would show nothing'),
        (
            (
                'datasets:test_1=null',
                'datasets:test_2={type: SingleImageDataset, name: rain, dataroot_lq: a}',
                'val:save_img=false',
                'val:metrics={psnr: {type: calculate_psnr, crop_border: 0}}',
            ),
            'val.metrics: this test would show nothing: its sets have no ground truth',
        ),
    ],
}


def _cases(table: dict[str, list[tuple[tuple[str, ...], str]]]) -> list[Any]:
    return [
        pytest.param(*case, id=f'{rule}-{i}') for rule, cases in table.items() for i, case in enumerate(cases)
    ]


def _without_marks(forced: tuple[str, ...]) -> tuple[str, ...]:
    """``{_: 1, ...}`` in a case means: instead of what the file has there, not merged into it."""
    plain = []
    for entry in forced:
        key, _, value = entry.partition('=')
        if value.startswith('{_: 1, '):
            plain.append(f'{key}=null')
            value = '{' + value.removeprefix('{_: 1, ')
        plain.append(f'{key}={value}')
    return tuple(plain)


@pytest.mark.parametrize(('forced', 'message'), _cases(TRAINING))
def test_contradictions_of_a_training(tiny: Path, check: Any, forced: tuple[str, ...], message: str) -> None:
    """Each is named at its key."""
    with pytest.raises(OptionError) as raised:
        check(tiny, *_without_marks(forced))
    assert message in str(raised.value)


@pytest.mark.parametrize(('forced', 'message'), _cases(TEST))
def test_contradictions_of_a_test(tiny_test: Path, check: Any, forced: tuple[str, ...], message: str) -> None:
    """Each is named at its key."""
    with pytest.raises(OptionError) as raised:
        check(tiny_test, *forced, is_train=False)
    assert message in str(raised.value)


def test_a_set_with_other_keys_is_not_one_folder_twice(tiny: Path, check: Any) -> None:
    """Nothing is as good as nothing: neither key stands in a dataset of another package."""
    theirs = '{type: REDSDataset, name: x, folder: a, num_worker_per_gpu: 0, batch_size_per_gpu: 1}'
    check(tiny, 'datasets:train=null', f'datasets:train={theirs}')


@pytest.mark.parametrize(
    'forced',
    [
        ('train:lcl_opt:cycle_encoders=release', 'train:intra_ccl_opt:translation_weight=5'),
        (
            'train:intra_ccl_opt:anchors=[translation, reconstruction]',
            'train:intra_ccl_opt:translation_weight=5',
        ),
        ('train:lcl_opt:terms=[translation]', 'train:lcl_opt:cycle_encoders=domain'),
        ('train:intra_ccl_opt:anchors=[translation]', 'train:intra_ccl_opt:translation_weight=0.1'),
        ('train:inter_ccl_opt:pooling=mean', 'train:inter_ccl_opt:loss_weight=0'),
    ],
)
def test_what_is_read_or_says_nothing_new_passes(tiny: Path, check: Any, forced: tuple[str, ...]) -> None:
    """The saved options of a run hold every default, and are checked again."""
    check(tiny, *forced)


def test_discriminators_that_draw_no_places_may_differ(tiny: Path, check: Any) -> None:
    """Averages have no places, and nothing compares one discriminator's channels with the other's."""
    pooled = ('train:inter_ccl_opt:pooling=mean', 'train:inter_ccl_opt:num_patches=64')
    check(tiny, 'network_d:anti_alias=false', *pooled)
    check(tiny, 'network_d:width=8')


def test_a_network_with_our_methods_but_without_levels(tiny: Path, check: Any) -> None:
    from basicsr.utils.registry import ARCH_REGISTRY

    from cclgan_plugin.archs import CCLGANGenerator

    class Levelless(CCLGANGenerator):
        def __init__(self, **options: Any) -> None:
            super().__init__(width=4, num_blocks=1)
            del self.feature_channels

    ARCH_REGISTRY._obj_map['Levelless'] = Levelless
    try:
        with pytest.raises(OptionError, match=r'Levelless declares no feature levels, which train\.lcl_opt'):
            check(tiny, 'network_g:type=Levelless')
    finally:
        del ARCH_REGISTRY._obj_map['Levelless']


def test_every_rule_is_tried_here() -> None:
    """No rule without a case that breaks it."""
    elsewhere = {'path_names_are_current', 'our_keys_are_read', 'model_has_its_parts', 'pairs_have_a_scale'}
    elsewhere |= {'our_losses_have_their_place'}
    further = (*rules_models.MODEL_RULES, *rules_networks.NETWORK_RULES, *rules_run.RUN_RULES)
    further += rules_switched_off.SWITCHED_OFF_RULES
    names = {rule.__name__ for rule in (*rules.RULES, *further)}
    assert names == TRAINING.keys() | TEST.keys() | elsewhere


@pytest.mark.parametrize('key', ['pretrain_model_g', 'strict_load'])
def test_old_names_in_path_are_pointed_out(sr: Path, check: Any, key: str) -> None:
    """BasicSR's older files say what 1.4.2 silently ignores."""
    with pytest.raises(OptionError, match=f'path.{key}: BasicSR 1.4.2 does not read this name'):
        check(sr, f'path:{key}=x')
