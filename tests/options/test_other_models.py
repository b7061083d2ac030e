"""Options of BasicSR's other models: the common structure is checked, what only they know passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.errors import OptionError


def failing(check: Any, path: Path, *forced: str) -> str:
    with pytest.raises(OptionError) as raised:
        check(path, *forced)
    return str(raised.value)


@pytest.fixture
def theirs() -> Iterator[str]:
    """The override that makes a model of another package run the file."""
    from basicsr.models.sr_model import SRModel
    from basicsr.utils.registry import MODEL_REGISTRY

    registered = dict(MODEL_REGISTRY._obj_map)
    MODEL_REGISTRY.register(type('TheirModel', (SRModel,), {'__module__': 'their_package.models'}))
    yield 'model_type=TheirModel'
    MODEL_REGISTRY._obj_map = registered


def test_a_plain_model_passes_and_keeps_its_keys(sr: Path, check: Any, theirs: str) -> None:
    """Keys of a third party's model and dataset stay; what BasicSR needs without a default is filled in."""
    options = check(
        sr,
        theirs,
        'deterministic=true',
        'queue_size=180',
        'resize_prob2=[0.3, 0.4, 0.3]',
        'network_h={type: MSRResNet, num_feat: 4}',
        'train:mixing_prob=0.9',
        'train:mine_opt={type: MyOwnLoss, anything: 1}',
        'train:lcl_opt={type: L1Loss}',
        'train:optim_x={type: SGD, lr: 1}',
        'datasets:train:color_jitter=0.1',
        'path:experiments_extra=x',
    )
    assert options['queue_size'] == 180
    assert options['train']['mixing_prob'] == 0.9
    assert options['train']['mine_opt'] == {'type': 'MyOwnLoss', 'anything': 1}
    assert options['datasets']['train']['use_shuffle'] is True
    assert options['datasets']['train']['color_jitter'] == 0.1
    assert options['path'] == {'strict_load_g': True, 'experiments_extra': 'x'}
    assert options['logger']['save_checkpoint_freq'] == 5000
    # Nothing else is added, because the code of a third party may ask which keys there are.
    assert 'gan_opt' not in options['train']
    assert 'network_d' not in options
    assert 'pretrain_network_g' not in options['path']


@pytest.mark.parametrize(
    ('forced', 'message'),
    [
        ('quene_size=1', None),
        ('manual_sede=1', 'manual_sede: unknown key "manual_sede". Did you mean "manual_seed"?'),
        ('train:totla_iter=1', 'train.totla_iter: unknown key "totla_iter". Did you mean "total_iter"?'),
        (
            'train:pixle_opt={type: L1Loss}',
            'train.pixle_opt: unknown key "pixle_opt". Did you mean "pixel_opt"?',
        ),
        ('network_g:num_block=x', None),
        (
            'network_g:num_blok=1',
            'network_g.num_blok: unknown key "num_blok" of MSRResNet. Did you mean "num_block"?',
        ),
        ('network_h={type: RRDBNet}', 'network_h.num_in_ch: this key is missing; RRDBNet needs it'),
        ('network_h={type: RDBNet}', 'there is no arch "RDBNet". Did you mean "RRDBNet"?'),
        ('train:mine_opt={type: L1Lsos}', 'there is no loss "L1Lsos". Did you mean "L1Loss"?'),
        (
            'train:mine_opt={type: L1Loss, weight: 1}',
            'train.mine_opt.weight: unknown key "weight" of L1Loss.',
        ),
        (
            'train:pixel_opt:loss_weight="1"',
            'train.pixel_opt.loss_weight: expected a number, got "1"; take the quotes',
        ),
        ('train:optim_x={type: SGB}', 'there is no optimizer "SGB". Did you mean "SGD"?'),
        ('train:scheduler:type=StepLR', 'there is no scheduler "StepLR".'),
        (
            'datasets:train:use_hflp=true',
            'unknown key "use_hflp" of PairedImageDataset. Did you mean "use_hflip"?',
        ),
        ('datasets:train:gt_size=big', 'datasets.train.gt_size: expected a whole number, got "big"'),
        ('datasets:train:type=PairedImgeDataset', 'Did you mean "PairedImageDataset"?'),
        ('logger:print_freq=often', 'logger.print_freq: expected a whole number, got "often"'),
        ('scale=0', 'scale: expected a number of at least 1, got 0'),
        ('train=null', 'train: this key is missing; a training needs it'),
        ('name=null', 'name: expected text, got nothing (~)'),
        (
            'train:scheduler={type: CosineAnnealingRestartLR, milestones: null, gamma: null}',
            'unknown key "milestones"',
        ),
    ],
)
def test_slips_are_found_where_they_are_certain(
    sr: Path, check: Any, forced: str, message: str | None
) -> None:
    """Known keys are typed, blocks are compared with constructors, near misspellings are refused."""
    if message is None:
        check(sr, forced)
    else:
        assert message in failing(check, sr, forced)


def test_a_constructor_that_takes_anything_still_catches_slips(sr: Path, check: Any) -> None:
    """SwinIR swallows unknown keys (``**kwargs``); a near misspelling of one it has is refused."""
    swin = 'type: SwinIR, upscale: 2, window_size: 8, my_own: 1'
    check(sr, 'network_g=null', f'network_g={{{swin}}}')
    message = failing(check, sr, 'network_g=null', f'network_g={{{swin}, embed_dmi: 3}}')
    assert 'unknown key "embed_dmi" of SwinIR. Did you mean "embed_dim"?' in message


def test_a_model_with_its_own_optimizers_is_left_alone(
    sr: Path, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever overrides get_optimizer knows more names; a slip of a known one is still refused."""
    from basicsr.models.sr_model import SRModel

    monkeypatch.setattr(SRModel, 'get_optimizer', lambda self, *args, **kwargs: None)
    assert check(sr, 'train:optim_g={type: Lion, lr: 1}')['train']['optim_g']['type'] == 'Lion'
    assert 'there is no optimizer "Adma".' in failing(check, sr, 'train:optim_g={type: Adma, lr: 1}')


def test_the_layout_of_basicsr_s_published_files_passes(tmp_path: Path, write: Any, check: Any) -> None:
    """A GAN for x4 super-resolution, in the words of the files that come with BasicSR."""
    text = """\
name: x4
model_type: ESRGANModel
scale: 4
num_gpu: auto
manual_seed: 0
datasets:
  train:
    name: DIV2K
    type: PairedImageDataset
    dataroot_gt: a
    dataroot_lq: b
    filename_tmpl: '{}'
    io_backend: {type: disk}
    gt_size: 128
    use_hflip: true
    use_rot: true
    use_shuffle: true
    num_worker_per_gpu: 6
    batch_size_per_gpu: 16
    dataset_enlarge_ratio: 100
    prefetch_mode: ~
  val: {name: Set14, type: PairedImageDataset, dataroot_gt: a, dataroot_lq: b, io_backend: {type: disk}}
  val_2: {name: REDS4, type: VideoTestDataset, dataroot_gt: a, dataroot_lq: b, cache_data: false}
network_g: {type: RRDBNet, num_in_ch: 3, num_out_ch: 3}
network_d: {type: UNetDiscriminatorSN, num_in_ch: 3, num_feat: 64, skip_connection: True}
path: {pretrain_network_g: a.pth, param_key_g: params_ema, strict_load_g: true, resume_state: ~}
train:
  ema_decay: 0.999
  optim_g: {type: Adam, lr: !!float 1e-4, weight_decay: 0, betas: [0.9, 0.99]}
  optim_d: {type: Adam, lr: !!float 1e-4, weight_decay: 0, betas: [0.9, 0.99]}
  scheduler: {type: CosineAnnealingRestartLR, periods: [2e5, 2e5], restart_weights: [1, 1], eta_min: 1e-7}
  total_iter: 400000
  warmup_iter: -1
  pixel_opt: {type: L1Loss, loss_weight: !!float 1e-2, reduction: mean}
  perceptual_opt: {type: PerceptualLoss, layer_weights: {'conv5_4': 1}, vgg_type: vgg19, criterion: l1}
  ldl_opt: {type: L1Loss}
  gan_opt: {type: GANLoss, gan_type: vanilla, real_label_val: 1.0, loss_weight: !!float 5e-3}
  net_d_iters: 1
  net_d_init_iters: 0
  fix_flow: 5000
val:
  val_freq: !!float 5e3
  save_img: true
  metrics: {psnr: {type: calculate_psnr, crop_border: 4, test_y_channel: false, num_thread: 8}}
logger: {print_freq: 100, save_checkpoint_freq: !!float 5e3, use_tb_logger: true, wandb: {project: ~}}
dist_params: {backend: nccl, port: 29500}
find_unused_parameters: true
"""
    options = check(write(tmp_path / 'x4.yml', text))
    assert options['val']['val_freq'] == 5000
    assert options['val']['metrics']['psnr']['num_thread'] == 8
    assert options['datasets']['val_2']['cache_data'] is False


@pytest.mark.parametrize(
    ('forced', 'message'),
    [
        ('train:ampp=bf16', 'train.ampp: unknown key "ampp". Did you mean "amp"?'),
        ('train:channel_last=true', 'Did you mean "channels_last"?'),
        ('train:amp=bf61', 'train.amp: expected one of off, bf16, got "bf61". Did you mean "bf16"?'),
        ('train:amp=fp16', 'train.amp: expected one of off, bf16, got "fp16"'),
        ('train:channels_last=yse', 'train.channels_last: expected true or false, got "yse"'),
        ('train:grad_accum=2', 'train.grad_accum: unknown key'),
        ('train:compile=true', 'train.compile: unknown key'),
        ('train:gan_opt={type: GANLoss, gan_type: hinge}', 'train.gan_opt: unknown key'),
    ],
)
def test_paired_model_refuses_what_it_would_leave_unread(
    sr: Path, check: Any, forced: str, message: str
) -> None:
    """A misspelt mode would otherwise train in float32 without a word."""
    assert check(sr, 'model_type=PairedModel', 'train:amp=off')['train']['amp'] == 'off'
    assert check(sr, 'model_type=PairedModel', 'train:amp=bf16')['train']['amp'] == 'bf16'
    assert message in failing(check, sr, 'model_type=PairedModel', forced)


def test_a_key_that_the_launcher_does_not_know_is_named(sr: Path, check: Any, theirs: str) -> None:
    assert check(sr, theirs, 'dist_params={port: 29501}')['dist_params'] == {'port': 29501}
    message = failing(check, sr, theirs, 'dist_params={patience: 3}')
    assert 'dist_params.patience: unknown key "patience". There are: backend, port.' in message


OURS_ALONE = {
    'deterministic=true': 'deterministic: {} does not read this key; CCLGANModel can. Leave it out',
    'network_g_rain={type: SRVGGNetCompact}': 'network_g_rain: {} does not read this key; CCLGANModel can',
    'path:pretrain_network_h_rain=x.pth': 'path.pretrain_network_h_rain: {} does not read this key',
    'logger:keep_best=psnr': 'logger.keep_best: {} does not read this key; CCLGANModel can',
    'logger:keep_last=2': 'logger.keep_last: {} does not read this key',
}
OF_THE_STEP = {
    'train:amp=bf16': 'train.amp: {} does not read this key; CCLGANModel and PairedModel can',
    'train:contrastive_opt={}': 'train.contrastive_opt: {} does not read this key; ContrastiveModel can',
    'network_h={type: LCLHead}': 'network_h: {} does not read this key; CCLGANModel and ContrastiveModel can',
} | {
    f'train:{key}': f'train.{key.split("=")[0]}: {{}} does not read this key; CCLGANModel can'
    for key in ('compile=true', 'grad_accum=2', 'grad_clip=1', 'nan_limit=3', 'pool_size=50')
}
DISCRIMINATOR = {
    'network_d={type: VGGStyleDiscriminator, num_in_ch: 3, num_feat: 8}': 'network_d: {} does not read this',
    'path:pretrain_network_d=x.pth': 'path.pretrain_network_d: {} does not read this key; CCLGANModel and ',
}


@pytest.mark.parametrize('forced', [*OURS_ALONE, *OF_THE_STEP])
def test_keys_of_our_models_are_refused_where_nobody_reads_them(sr: Path, check: Any, forced: str) -> None:
    """A training that is not reproducible, or in float32, would pass for what was asked for."""
    expected = (OURS_ALONE | OF_THE_STEP)[forced].format('SRModel')
    assert expected in failing(check, sr, forced)


@pytest.mark.parametrize('forced', [*OURS_ALONE, *DISCRIMINATOR])
def test_paired_model_refuses_the_keys_of_others(sr: Path, check: Any, forced: str) -> None:
    """It has one network, and keeps every training state."""
    expected = (OURS_ALONE | DISCRIMINATOR)[forced].format('PairedModel')
    assert expected in failing(check, sr, 'model_type=PairedModel', forced)


def test_a_key_that_is_off_may_stay(sr: Path, check: Any) -> None:
    """A file inherits it, and cannot take it away otherwise."""
    check(sr, 'deterministic=false', 'train:amp=off', 'network_h=null', 'path:pretrain_network_h=null')


CONTRASTIVE = (
    'model_type=ContrastiveModel',
    'base_model_type=SRModel',
    'train:contrastive_opt={intra_ccl: {type: IntraCCLLoss, encoder: {type: VGG19Encoder}}}',
)
FROZEN_LCL = 'train:contrastive_opt:lcl={type: LCLLoss, encoder: {type: VGG19Encoder}}'


@pytest.mark.parametrize(
    ('forced', 'message'),
    [
        (('deterministic=true',), 'deterministic: ContrastiveModel does not read this key'),
        (('network_h={type: LCLHead}',), 'network_h: no loss reads this key; train.contrastive_opt.lcl can'),
        (
            ('train:optim_h={type: Adam}',),
            'train.optim_h: there are no heads to train; train.contrastive_opt',
        ),
        (
            ('train:optim_h={type: Adam}', FROZEN_LCL),
            'train.optim_h: there are no heads to train; a frozen encoder has no heads without network_h',
        ),
    ],
)
def test_contrastive_model_refuses_heads_without_lcl(
    sr: Path, check: Any, forced: tuple[str, ...], message: str
) -> None:
    """And what its base model does not read."""
    check(sr, *CONTRASTIVE, FROZEN_LCL, 'network_h={type: LCLHead}', 'train:optim_h={type: Adam}')
    assert message in failing(check, sr, *CONTRASTIVE, *forced)


def test_the_base_of_another_package_may_read_any_key(sr: Path, check: Any, theirs: str) -> None:
    """Only BasicSR's models are known well enough to tell."""
    check(sr, *CONTRASTIVE, f'base_{theirs}', 'deterministic=true', 'train:grad_accum=2')


def test_basicsr_s_datasets_get_the_keys_they_cannot_do_without(sr: Path, check: Any, theirs: str) -> None:
    """``io_backend`` is disk unless said otherwise, as the table says; a list that is off is not opened."""
    single = 'datasets:val={type: SingleImageDataset, name: x, dataroot_lq: a, meta_info_file: ~}'
    for model in ('model_type=SRModel', theirs):
        options = check(sr, model, single, 'datasets:train:io_backend={}')['datasets']
        assert options['train']['io_backend'] == options['val']['io_backend'] == {'type': 'disk'}
        assert 'meta_info_file' not in options['val']
    text = sr.read_text()
    sr.write_text(text.replace('    io_backend: {type: disk}\n', ''))
    assert check(sr)['datasets']['train']['io_backend'] == {'type': 'disk'}


GAN = (
    'model_type=SRGANModel',
    'network_d={type: VGGStyleDiscriminator, num_in_ch: 3, num_feat: 8}',
    'train:optim_d={type: Adam, lr: 1}',
    'train:gan_opt={type: GANLoss, gan_type: vanilla}',
)


@pytest.mark.parametrize(
    ('forced', 'message'),
    [
        (('network_g=null',), 'network_g: this key is missing; SRModel needs it'),
        (('train:optim_g=null',), 'train.optim_g: this key is missing; SRModel trains with it'),
        (('train:scheduler=null',), 'train.scheduler: this key is missing; SRModel trains with it'),
        (('train:pixel_opt=null',), 'train.pixel_opt: SRModel needs this loss, or perceptual_opt'),
        (('model_type=PairedModel', 'network_g=null'), 'network_g: this key is missing; PairedModel needs'),
        (('model_type=PairedModel', 'train:pixel_opt=null'), 'train.pixel_opt: PairedModel needs this loss'),
        ((*GAN, 'network_d=null'), 'network_d: this key is missing; SRGANModel needs it'),
        ((*GAN, 'train:optim_d=null'), 'train.optim_d: this key is missing; SRGANModel trains with it'),
        ((*GAN, 'train:gan_opt=null'), 'train.gan_opt: this key is missing; SRGANModel trains with it'),
    ],
)
def test_what_a_model_cannot_do_without(
    sr: Path, check: Any, forced: tuple[str, ...], message: str, theirs: str
) -> None:
    """Otherwise the experiment that was there is archived first, and a traceback follows."""
    check(sr, *GAN, 'train:pixel_opt=null')
    assert message in failing(check, sr, *forced)
    # Another package's model may build all of it in its own way.
    if 'PairedModel' not in forced[0]:
        check(sr, *forced, theirs)


@pytest.mark.parametrize('key', ['pixel_opt', 'perceptual_opt'])
@pytest.mark.parametrize('loss', ['LCLLoss', 'InterCCLLoss', 'IntraCCLLoss, encoder: {type: VGG19Encoder}'])
def test_our_losses_stand_where_they_can_be_called(
    sr: Path, check: Any, theirs: str, key: str, loss: str
) -> None:
    """In the first iteration they would ask an image for its levels."""
    forced = (f'train:{key}=null', f'train:{key}={{type: {loss}}}')
    message = failing(check, sr, *forced)
    assert f'train.{key}.type: SRModel cannot call {loss.split(",")[0]}; this loss goes to' in message
    assert 'train.contrastive_opt of model_type: ContrastiveModel' in message
    assert f'train.{key}.type: SRModel cannot call' in failing(check, sr, *CONTRASTIVE, *forced)
    # Another package's model may know how.
    check(sr, theirs, *forced)


def test_pairs_need_a_scale(sr: Path, check: Any) -> None:
    """At the top, or in the dataset."""
    assert 'scale: this key is missing; datasets.train needs it' in failing(check, sr, 'scale=null')
    check(sr, 'scale=null', 'datasets:train:scale=4')


def test_a_test_of_another_model_shows_something_too(sr: Path, check: Any, theirs: str) -> None:
    """Without ``val`` it would read all images and end with exit code 0; another package's may do more."""
    test = (
        'train=null',
        'datasets:train=null',
        'datasets:test_1={type: SingleImageDataset, name: x, dataroot_lq: a}',
    )
    with pytest.raises(OptionError, match='val: this test would show nothing'):
        check(sr, *test, is_train=False)
    for further in ('val:save_img=true', 'val:metrics:niqe={type: calculate_niqe, crop_border: 0}', theirs):
        check(sr, *test, further, is_train=False)


@pytest.mark.parametrize(
    'forced',
    [
        ('path:pretrain_model_g=null', 'path:strict_load=true'),  # BasicSR's own file for StyleGAN2
        ('path:strict_load_g=null',),  # GFPGAN's published file
        ('datasets:train:color=y', 'datasets:train:mean=[0.5]', 'datasets:train:std=[0.5]'),
        ('datasets:train:io_backend={type: memcached, server_list_cfg: a, client_cfg: b}',),
        ('train:pixel_opt:loss_weight=-1',),
        ('val={val_freq: 5}',),  # without a set, as StyleGAN2 has it
        (
            'val={val_freq: 5}',
            'datasets:val={type: PairedImageDataset, name: x, dataroot_lq: a, dataroot_gt: b}',
            'datasets:val:prefetch_mode=cuda',  # which only the training set looks at
        ),
    ],
)
def test_what_basicsr_makes_sense_of_passes(sr: Path, check: Any, forced: tuple[str, ...]) -> None:
    """Files that stock BasicSR runs are not refused for what does no harm."""
    check(sr, *forced)


@pytest.mark.parametrize('forced', ['scales=[2, 4]', 'network_opts={foo: 1}', 'path:pretrain_model_face=x'])
def test_names_of_another_package_s_own_pass(sr: Path, check: Any, theirs: str, forced: str) -> None:
    """They are no slips of names that we know; such slips are still found."""
    check(sr, theirs, forced)
    assert 'Did you mean "scale"?' in failing(check, sr, theirs, 'scales=2')
    assert 'it is "pretrain_network_g" now' in failing(check, sr, theirs, 'path:pretrain_model_g=x')


def test_optimizers_of_another_package_s_own(sr: Path, check: Any, theirs: str) -> None:
    """Whoever replaces setup_optimizers may build what BasicSR does not know."""
    from basicsr.utils.registry import MODEL_REGISTRY

    lion = 'train:optim_g={type: Lion, lr: 1}'
    assert 'there is no optimizer "Lion".' in failing(check, sr, theirs, lion)
    MODEL_REGISTRY.get('TheirModel').setup_optimizers = lambda self: None
    assert check(sr, theirs, lion)['train']['optim_g']['type'] == 'Lion'
    assert 'there is no optimizer "Adma".' in failing(check, sr, theirs, 'train:optim_g={type: Adma, lr: 1}')
