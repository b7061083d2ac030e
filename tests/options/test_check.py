"""Every wrong key is named: file, line, key, what was expected, what was probably meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.errors import OptionError


def failing(check: Any, path: Path, *forced: str, is_train: bool = True) -> list[str]:
    with pytest.raises(OptionError) as raised:
        check(path, *forced, is_train=is_train)
    return str(raised.value).splitlines()


def test_a_bare_off_is_the_word(tiny: Path, check: Any) -> None:
    """YAML 1.1 reads it as false."""
    options = check(tiny, 'train:amp=off', 'datasets:train:cache=off')
    assert options['train']['amp'] == options['datasets']['train']['cache'] == 'off'


def test_the_tiny_file_is_valid_and_completed(tiny: Path, check: Any) -> None:
    """Missing keys get their defaults, counts become whole numbers, given ones stay in front."""
    options = check(tiny, 'train:total_iter=4e0')
    assert options['train']['total_iter'] == 4
    assert isinstance(options['train']['total_iter'], int)
    assert options['train']['pool_size'] == 0
    assert options['logger']['print_freq'] == 100
    assert options['datasets']['train']['io_backend'] == {'type': 'disk'}
    assert options['datasets']['val']['io_backend'] == {'type': 'disk'}
    assert list(options)[:4] == ['name', 'model_type', 'num_gpu', 'manual_seed']
    # Our own types too: a run says all about itself, also when a default has changed since.
    given = {'type': 'CCLGANGenerator', 'width': 2, 'num_blocks': 1}
    assert options['network_g'] == given | {
        'norm': 'instance',
        'anti_alias': True,
        'residual': False,
        'residual_channels': 3,
        'skips': False,
    }
    # What another's constructor has a default for is left to that constructor.
    assert 'betas' not in options['train']['optim_h']


def test_the_options_given_are_not_changed(tiny: Path) -> None:
    """Checking twice gives the same twice."""
    from cclgan_plugin.options.check import check_options
    from cclgan_plugin.options.inherit import load_options

    loaded = load_options(tiny)
    first = check_options(loaded)
    first['train']['optim_g'].pop('type')
    assert check_options(loaded)['train']['optim_g']['type'] == 'Adam'


def test_all_problems_come_at_once_in_the_order_of_the_file(
    tmp_path: Path, tiny: Path, write: Any, check: Any
) -> None:
    """One error, one line for each problem."""
    text = tiny.read_text().replace('total_iter: 4', 'total_iter: four').replace('idt_opt:', 'itd_opt:')
    text = text.replace('name: tiny', 'nmae: tiny').replace(
        'width: 2}\nnetwork_d_rain', 'widht: 2}\nnetwork_d_rain'
    )
    bad = write(tmp_path / 'bad.yml', text)
    assert failing(check, bad) == [
        f'{bad}:1: name: this key is missing',
        f'{bad}:1: nmae: unknown key "nmae". Did you mean "name"?',
        f'{bad}:21: network_d.widht: unknown key "widht" of CCLGANDiscriminator. Did you mean "width"?',
        f'{bad}:26: train.total_iter: expected a whole number, got "four"',
        f'{bad}:32: train.itd_opt: unknown key "itd_opt". Did you mean "idt_opt"?',
    ]


@pytest.mark.parametrize(
    ('forced', 'message'),
    [
        ('train:optim_g:lr=fast', 'train.optim_g.lr: expected a number, got "fast"'),
        ('train:optim_g:lr="1e-4"', 'train.optim_g.lr: expected a number, got "1e-4"; take the quotes away'),
        ('path:strict_load_g=null', 'path.strict_load_g: expected true or false, got nothing (~)'),
        ('train:optim_g:lr=nan', 'train.optim_g.lr: expected a number, got "nan"'),
        ('train:optim_g:lr=true', 'train.optim_g.lr: expected a number, got true'),
        ('train:optim_g:lr=0', 'train.optim_g.lr: expected a number above 0, got 0'),
        ('train:optim_g:lr=.nan', 'train.optim_g.lr: expected a finite number, got nan'),
        ('train:optim_g:lr=null', 'train.optim_g.lr: expected a number, got nothing (~)'),
        (
            'train:optim_g:betas=[0.5]',
            'train.optim_g.betas: expected a list with at least 2 in it, got [0.5]',
        ),
        ('train:optim_g:betas=[0.5, 1.5]', 'train.optim_g.betas[1]: expected a number below 1, got 1.5'),
        ('train:total_iter=1.5', 'train.total_iter: expected a whole number, got 1.5'),
        ('train:total_iter=0', 'train.total_iter: expected a number of at least 1, got 0'),
        ('train:ema_decay=1', 'train.ema_decay: expected a number below 1, got 1'),
        ('datasets:train:use_hflip="true"', 'expected true or false, got "true"; take the quotes away'),
        ('datasets:train:use_hflip=1', 'datasets.train.use_hflip: expected true or false, got 1'),
        ('datasets:train:gt_size=16', 'datasets.train.gt_size: expected a number of at least 32, got 16'),
        ('datasets:train:small_images=pda', 'expected one of pad, error, got "pda". Did you mean "pad"?'),
        ('datasets:val:io_backend=disk', 'datasets.val.io_backend: expected a map of keys, got "disk"'),
        (
            'datasets:val:io_backend:type=dsik',
            'expected one of disk, lmdb, memcached, got "dsik". Did you mean "disk"?',
        ),
        ('datasets:train:io_backend:type=memcached', 'expected one of disk, lmdb, got "memcached"'),
        (
            'datasets:val:mean=[0.5, 0.5]',
            'val.mean: expected one number for each of 3 channels, or one, got 2',
        ),
        ('datasets:val:filename_tmpl="{0.__class__}"', 'expected text with one {} in it'),
        ('name=12', 'name: expected text, got 12; put it in quotes'),
        ('name=../up', 'name: expected a name that can be a file or a folder'),
        ('name=..', 'name: expected a name that can be a file or a folder'),
        ('num_gpu=two', "num_gpu: expected auto or a number of GPUs (0 = CPU), got 'two'"),
        ('num_gpu=true', 'num_gpu: expected auto or a number of GPUs (0 = CPU), got True'),
        ('num_gpu=-1', 'num_gpu: expected auto or a number of GPUs (0 = CPU), got -1'),
        ('manual_seed=-1', 'manual_seed: expected a number of at least 0, got -1'),
        ('scale=4', 'scale: expected 1, got 4'),
        ('network_g=~x', 'network_g: expected a map of keys, got "~x"'),
        ('train:lcl_opt=LCLLoss', 'train.lcl_opt: expected a map of keys, got "LCLLoss"'),
        ('train:lcl_opt:negatives=imgae', 'got "imgae". Did you mean "image"?'),
        (
            'train:lcl_opt:terms=[x]',
            'train.lcl_opt.terms[0]: expected one of translation, reconstruction, identity',
        ),
        ('train:lcl_opt:terms=[]', 'train.lcl_opt.terms: expected a list with at least 1 in it, got []'),
        ('train:lcl_opt:layers=down1', 'train.lcl_opt.layers: expected a list, got "down1"'),
        (
            'train:gan_opt={loss_weight: -1}',
            'train.gan_opt.loss_weight: expected a number of at least 0, got -1',
        ),
        ('train:gan_opt:gan_type=null', 'train.gan_opt.gan_type: expected one of vanilla'),
        ('train:gan_opt=null', 'train.gan_opt: expected a map of keys, got nothing (~)'),
        ('path:pretrain_network_g=""', 'path.pretrain_network_g: expected text that is not empty, got ""'),
        ('path:strict_load_g=1', 'path.strict_load_g: expected true or false, got 1'),
        ('logger:print_freq=0', 'logger.print_freq: expected a number of at least 1, got 0'),
        ('logger:wandb:projct=x', 'unknown key "projct". Did you mean "project"?'),
        (
            'val:metrics=[psnr]',
            'val.metrics: expected a map of keys, got [psnr]'.replace('[psnr]', "['psnr']"),
        ),
        (
            'val:metrics:psnr=calculate_psnr',
            'val.metrics.psnr: expected a map with "type:", got "calculate_psnr"',
        ),
        (
            'val:metrics:psnr:crop_boarder=0',
            'unknown key "crop_boarder" of calculate_psnr. Did you mean "crop_border"?',
        ),
        ('val:save_image=true', 'val.save_image: unknown key "save_image". Did you mean "save_img"?'),
        ('dist_params:backend=mpi', 'expected one of nccl, gloo, got "mpi"'),
        ('datasets:train:dataset_enlarge_ratio=0', 'expected a number of at least 1, got 0'),
        (
            'train:intra_ccl_opt:encoder=[]',
            'expected a map with "type:" or a list of such, got an empty list',
        ),
        (
            'train:intra_ccl_opt:encoder=CLIP',
            'train.intra_ccl_opt.encoder: expected a map with "type:", got "CLIP"',
        ),
        (
            'train:intra_ccl_opt:encoder=[{type: CLIPEncoder}, 3]',
            'encoder[1]: expected a map with "type:", got 3',
        ),
    ],
)
def test_wrong_values(tiny: Path, check: Any, forced: str, message: str) -> None:
    """Types are not guessed: no number from text, no boolean from a number, no list from a word."""
    lines = failing(check, tiny, forced)
    assert len(lines) == 1
    assert message in lines[0]
    assert ('quotes' in lines[0]) == ('"1e-4"' in forced or '"true"' in forced or 'name=12' in forced)
    assert lines[0].startswith(f'--force_yml {forced}: ')


@pytest.mark.parametrize(
    ('forced', 'message'),
    [
        (
            'model_type=CCLGANModle',
            'there is no model "CCLGANModle". Did you mean "CCLGANModel"? A model is one of: ',
        ),
        (
            'model_type=null',
            'model_type: this key is missing; models are CCLGANModel, ContrastiveModel, EDVRModel, ',
        ),
        (
            'network_g:type=CCLGANGenrator',
            'there is no arch "CCLGANGenrator". Did you mean "CCLGANGenerator"?',
        ),
        ('network_h:type=LCLHaed', 'Did you mean "LCLHead"? An arch is one of: '),
        (
            'datasets:val:type=PairedDataset',
            'there is no dataset "PairedDataset". Did you mean "PairedImageDataset"?',
        ),
        (
            'train:lcl_opt:type=LCLoss',
            'there is no loss "LCLoss". Did you mean "LCLLoss"? A loss is one of: ',
        ),
        (
            'train:optim_g:type=Adm',
            'there is no optimizer "Adm". Did you mean "Adam"? An optimizer is one of: ',
        ),
        ('train:scheduler:type=LinearLR', 'there is no scheduler "LinearLR".'),
        (
            'train:intra_ccl_opt:encoder:type=ClipEncoder',
            'there is no encoder "ClipEncoder". Did you mean "CLIPEncoder"?',
        ),
        ('val:metrics:psnr:type=psnr', 'there is no metric "psnr".'),
        (
            'train:cycle_opt={loss_weight: 10}',
            'train.cycle_opt.type: this key is missing; types are CharbonnierLoss, ',
        ),
        ('network_g:type=3', 'network_g.type: expected text, got 3'),
        ('network_g:{k}=1', 'network_g.{k}: unknown key'),
        ('train:idt_opt={type: WeightedTVLoss, weight: 2}', 'unknown key "weight" of WeightedTVLoss.'),
        (
            'network_g={_: 1, type: RRDBNet, num_in_ch: 3}',
            'network_g.num_out_ch: this key is missing; RRDBNet needs it',
        ),
        ('train:optim_g={type: AdamW, lr: 1, beta: 2}', 'unknown key "beta" of AdamW. Did you mean "betas"?'),
        (
            'train:intra_ccl_opt:encoder={type: RegisteredEncoder, weights: random, layers: [a], network: '
            '{type: Foo}}',
            'train.intra_ccl_opt.encoder.network.type: there is no arch "Foo".',
        ),
    ],
)
def test_types_are_registered_and_take_their_keys(tiny: Path, check: Any, forced: str, message: str) -> None:
    """Unknown types list what there is; keys are those of the constructor, whoever wrote it."""
    assert any(message in line for line in failing(check, tiny, forced))


def test_a_registered_type_without_a_schema_is_welcome(tiny: Path, check: Any) -> None:
    """AdamW and a loss of BasicSR pass unchanged; Adam also takes what the schema does not list."""
    options = check(
        tiny,
        'train:optim_g={type: AdamW, lr: 1e-3}',
        'train:idt_opt={type: PerceptualLoss, layer_weights: {conv1_1: 1}}',
        'train:optim_d={type: Adam, lr: 1e-3, maximize: false}',
    )
    assert options['train']['optim_g'] == {'type': 'AdamW', 'lr': 1e-3}
    assert options['train']['optim_d'] == {'type': 'Adam', 'lr': 1e-3, 'maximize': False}


def test_inherited_sets_and_metrics_can_be_switched_off(tiny: Path, check: Any) -> None:
    """``val: ~`` inside ``datasets`` removes it, like anything else."""
    options = check(tiny, 'datasets:val=null', 'val=null')
    assert list(options['datasets']) == ['train']
    assert options['val'] is None
    assert check(tiny, 'val:metrics:psnr=null')['val']['metrics'] == {}


def test_without_lcl_the_heads_go(tiny: Path, check: Any) -> None:
    """``lcl_opt: ~`` alone is a whole ablation: nothing is built that no loss uses."""
    options = check(tiny, 'train:lcl_opt=null')
    assert 'network_h' not in options
    assert 'network_h_rain' not in options
    assert options['train']['optim_h'] is None


def test_a_loss_of_weight_0_is_off(tiny: Path, check: Any) -> None:
    """Not computed for nothing, and its encoder's weights are not missed."""
    weights = ('lcl_opt', 'intra_ccl_opt', 'inter_ccl_opt', 'idt_opt')
    options = check(tiny, *(f'train:{key}:loss_weight=0' for key in weights))
    assert [options['train'][key] for key in weights] == [None] * 4
    assert 'network_h' not in options
    assert check(tiny, 'train:gan_opt:loss_weight=0')['train']['gan_opt']['loss_weight'] == 0


def test_one_sided_options_hold_no_network_of_the_way_back(tiny: Path, check: Any) -> None:
    """The model looks at which keys there are; those that are off are not there."""
    options = check(
        tiny,
        *(f'network_{n}_rain=null' for n in 'gdh'),
        *(f'train:{loss}=null' for loss in ('intra_ccl_opt', 'inter_ccl_opt')),
        'train:lcl_opt:terms=[translation, identity]',
    )
    assert [key for key in options if key.startswith('network_')] == ['network_g', 'network_d', 'network_h']


def test_niqe_is_better_when_lower(tiny: Path, check: Any) -> None:
    """BasicSR takes the highest value for the best unless it is told otherwise."""
    options = check(tiny, 'val:metrics:niqe={type: calculate_niqe, crop_border: 0}')
    assert options['val']['metrics']['niqe']['better'] == 'lower'


def test_a_test_needs_neither_train_nor_discriminators(tiny_test: Path, check: Any) -> None:
    """The test file is the small one."""
    options = check(tiny_test, is_train=False)
    assert options['train'] is None
    assert options['val']['suffix'] is None
