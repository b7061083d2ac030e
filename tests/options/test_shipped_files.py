"""The options files that people copy are valid, and what their comments say is so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

OPTIONS = Path(__file__).parents[2] / 'options'
TRAINING = sorted(path.name for path in OPTIONS.glob('train_*.yml'))


def off(train: dict[str, Any], *keys: str) -> bool:
    return not any(train[key] for key in keys)


def test_they_are_all_there() -> None:
    """The paper, the demo, the test, and three baselines."""
    names = ('cclgan', 'cclgan_demo', 'cclgan_small', 'cut', 'cyclegan', 'dclgan')
    names += ('derain', 'derain_dry', 'derain_finish', 'small', 'small_deep', 'small_dry', 'small_finish')
    assert [f'train_{name}.yml' for name in names] == TRAINING
    assert [path.name for path in OPTIONS.glob('test_*.yml')] == ['test_cclgan.yml']


@pytest.mark.parametrize('name', TRAINING)
def test_trainings_are_valid(name: str, check: Any) -> None:
    """Every key passes every check."""
    pairs = {
        'train_derain.yml': 'PairedModel',
        'train_derain_dry.yml': 'PairedModel',
        'train_derain_finish.yml': 'PairedModel',
        'train_small.yml': 'SRModel',
        'train_small_finish.yml': 'SRModel',
        'train_small_deep.yml': 'PairedModel',
        'train_small_dry.yml': 'PairedModel',
    }
    assert check(OPTIONS / name)['model_type'] == pairs.get(name, 'CCLGANModel')


def test_the_test_is_valid(check: Any) -> None:
    """With and without the set of real rain that it offers."""
    options = check(OPTIONS / 'test_cclgan.yml', is_train=False)
    assert options['val']['save_img']
    text = (OPTIONS / 'test_cclgan.yml').read_text()
    assert '  # test_2:' in text


def test_the_commented_set_of_real_rain_is_valid_too(tmp_path: Path, check: Any, write: Any) -> None:
    """Taking the "#" away, as the comment says, is all it takes."""
    lines = (OPTIONS / 'test_cclgan.yml').read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line == '  # test_2:')
    for i in range(start, start + 6):
        lines[i] = lines[i].replace('  # ', '  ', 1)
    options = check(write(tmp_path / 'real.yml', '\n'.join(lines)), is_train=False)
    assert options['datasets']['test_2']['type'] == 'SingleImageDataset'


def test_the_test_describes_the_network_that_was_trained(check: Any) -> None:
    """Weights of train_cclgan.yml fit it, and it looks where that training writes."""
    trained, tested = check(OPTIONS / 'train_cclgan.yml'), check(OPTIONS / 'test_cclgan.yml', is_train=False)
    assert trained['network_g'] == tested['network_g']
    assert tested['path']['pretrain_network_g'] == f'experiments/{trained["name"]}/models/net_g_latest.pth'


def test_the_demo_downloads_nothing_and_is_small(check: Any) -> None:
    """Two CPU cores, three minutes, ``basicsr data demo datasets/demo`` before it."""
    demo = check(OPTIONS / 'train_cclgan_demo.yml')
    assert demo['num_gpu'] == 0
    assert demo['train']['intra_ccl_opt']['encoder']['weights'] == 'random'
    assert demo['network_g']['width'] <= 16
    assert demo['network_g']['residual'] is True
    assert demo['train']['ema_decay'] > 0
    assert demo['datasets']['train']['dataroot_lq'] == 'datasets/demo/rainy'
    assert demo['datasets']['val']['dataroot_gt'] == 'datasets/demo/val/clean'
    # Everything of the paper is on, so that the demo shows all of it.
    for loss in ('idt_opt', 'lcl_opt', 'intra_ccl_opt', 'inter_ccl_opt'):
        assert demo['train'][loss]


def test_cyclegan_is_cyclegan(check: Any) -> None:
    """Least squares, cycle 10, identity 5, a pool of 50, nothing contrastive."""
    train = check(OPTIONS / 'train_cyclegan.yml')['train']
    assert train['gan_opt']['gan_type'] == 'lsgan'
    assert (train['cycle_opt']['loss_weight'], train['idt_opt']['loss_weight'], train['pool_size']) == (
        10.0,
        5.0,
        50,
    )
    assert off(train, 'lcl_opt', 'intra_ccl_opt', 'inter_ccl_opt', 'optim_h')


def test_cut_is_one_sided(check: Any) -> None:
    """One generator, one discriminator, one head; translation and identity terms; no way back."""
    options = check(OPTIONS / 'train_cut.yml')
    assert [key for key in options if key.startswith('network')] == ['network_g', 'network_d', 'network_h']
    train = options['train']
    assert train['lcl_opt']['terms'] == ['translation', 'identity']
    assert (train['lcl_opt']['loss_weight'], train['gan_opt']['gan_type']) == (1.0, 'lsgan')
    assert off(train, 'idt_opt', 'cycle_opt', 'intra_ccl_opt', 'inter_ccl_opt')


def test_dclgan_is_two_sided_without_reconstructions(check: Any) -> None:
    """Both generators, translation terms, identity loss, nothing that needs a way back."""
    options = check(OPTIONS / 'train_dclgan.yml')
    assert 'network_h_rain' in options
    train = options['train']
    assert train['lcl_opt']['terms'] == ['translation']
    assert train['idt_opt']['loss_weight'] == 1.0
    assert off(train, 'cycle_opt', 'intra_ccl_opt', 'inter_ccl_opt')
