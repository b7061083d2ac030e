"""``basicsr train`` and ``basicsr test`` with CCLGANModel: real runs of the real command."""

import csv
import math
import re

import cv2
import pytest
import torch
import yaml
from tiny_run import basicsr, python, write_data, write_options

from cclgan_plugin.archs import CCLGANGenerator

NETWORKS = ['g', 'g_rain', 'd', 'd_rain', 'h', 'h_rain']


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """One finished run of six iterations; tests read it and leave it alone."""
    folder = tmp_path_factory.mktemp('run')
    write_data(folder / 'data')
    write_options(folder, logger__use_tb_logger=True)
    result = basicsr('train', '-opt', 'tiny.yml', cwd=folder, fresh=True)
    assert result.returncode == 0, result.stderr
    return folder, result


def checkpoint(folder, name):
    return torch.load(folder / 'experiments/tiny/models' / name, weights_only=True)


def assert_bitwise_equal(first, second):
    assert set(first) == set(second)
    for key, value in first.items():
        if isinstance(value, dict):
            assert_bitwise_equal(value, second[key])
        else:
            assert torch.equal(value, second[key]), key


def test_every_network_and_the_training_state_is_saved(run):
    folder, _ = run
    for name in NETWORKS:
        for when in ('3', '6', 'latest'):
            state = checkpoint(folder, f'net_{name}_{when}.pth')
            assert set(state) == ({'params', 'params_ema'} if name == 'g' else {'params'})
            assert all(torch.isfinite(v).all() for v in state['params'].values())
    state = torch.load(folder / 'experiments/tiny/training_states/3.state', weights_only=True)
    assert len(state['optimizers']) == len(state['schedulers']) == 3


def test_checkpoints_hold_trained_networks_only(run):
    folder, _ = run
    names = set(checkpoint(folder, 'net_g_latest.pth')['params'])
    assert {'stem.conv.weight', 'down1.conv.bias', 'blocks.0.conv1.weight', 'out.conv.bias'} <= names
    assert not [name for name in names if 'kernel' in name or 'module' in name]


def test_training_changed_every_network(run):
    folder, _ = run
    for name in NETWORKS:
        early, late = (checkpoint(folder, f'net_{name}_{when}.pth')['params'] for when in (3, 6))
        assert any(not torch.equal(early[key], late[key]) for key in early)


def test_each_loss_is_logged_under_its_own_name(run):
    folder, result = run
    names = [
        'l_d',
        'l_d_rain',
        'l_g_gan',
        'l_g_gan_rain',
        'l_idt',
        'l_idt_rain',
        'l_lcl',
        'l_intra',
        'l_inter',
    ]
    for name in names:
        assert f' {name}: ' in result.stderr
    with (folder / 'experiments/tiny/curves.csv').open() as file:
        rows = list(csv.DictReader(file))
    for name in names:
        values = [float(row['value']) for row in rows if row['name'] == name]
        assert len(values) == 6
        assert all(map(math.isfinite, values))
    assert {row['name'] for row in rows} == {*names, 'pairs: psnr'}


def test_learning_rate_follows_the_linear_decay(run):
    _, result = run
    rates = [line.split('lr:(')[1].split(',')[0] for line in result.stderr.splitlines() if 'lr:(' in line]
    assert rates[:4] == ['1.000e-03'] * 3 + ['7.500e-04']
    assert float(rates[-1]) > 0


def test_pictures_are_drawn(run):
    folder, _ = run
    experiment = folder / 'experiments/tiny'
    final = sorted((experiment / 'visualization/final/pairs').glob('*.png'))
    assert [path.stem for path in final] == ['0', '1']
    rainy, derained, truth = 3 * [48 * 4]  # enlarged so that the captions can be read
    assert cv2.imread(str(final[0])).shape[1] == rainy + derained + truth + 3 * 4
    assert cv2.imread(str(experiment / 'visualization/training/3.png')) is not None
    assert cv2.imread(str(experiment / 'curves.png')) is not None


def test_image_grids_are_in_tensorboard(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run[0] / 'tb_logger/tiny'))
    events.Reload()
    assert events.Tags()['images'] == ['training/images']
    assert 'losses/l_lcl' in events.Tags()['scalars']
    assert 'metrics/pairs/psnr' in events.Tags()['scalars']


def test_output_that_is_no_terminal_has_plain_lines(run):
    _, result = run
    assert '\r' not in result.stderr
    assert 'it/s' not in result.stderr


def test_the_resolved_options_are_kept_and_run_again(run):
    folder, _ = run
    kept = yaml.safe_load((folder / 'experiments/tiny/tiny.yml').read_text())
    assert kept['train']['lcl_opt']['temperature'] == 0.07
    assert kept['network_g']['anti_alias'] is True
    assert kept['datasets']['train']['use_hflip'] is True
    assert kept['manual_seed'] == 7


def test_the_same_seed_gives_the_same_bits_with_any_number_of_workers(run, tmp_path):
    folder, _ = run
    write_data(tmp_path / 'data')
    write_options(tmp_path, datasets__train__num_worker_per_gpu=2)
    result = basicsr('train', '-opt', 'tiny.yml', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for name in NETWORKS:
        ours, theirs = (
            root / f'experiments/tiny/models/net_{name}_latest.pth' for root in (folder, tmp_path)
        )
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_resumed_run_ends_in_the_same_bits(run, tmp_path):
    folder, _ = run
    write_data(tmp_path / 'data')
    write_options(tmp_path)
    # Epochs have two full batches, so that iteration 4 ends one.
    cut = basicsr(
        *('train', '-opt', 'tiny.yml', '--force_yml', 'train:total_iter=4', 'logger:save_checkpoint_freq=4'),
        cwd=tmp_path,
    )
    assert cut.returncode == 0, cut.stderr
    resumed = basicsr('train', '-opt', 'tiny.yml', '--auto_resume', cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert 'Resuming training from epoch: 1, iter: 4' in resumed.stderr
    for name in NETWORKS:
        expected = checkpoint(folder, f'net_{name}_latest.pth')
        assert_bitwise_equal(checkpoint(tmp_path, f'net_{name}_latest.pth'), expected)
    with (tmp_path / 'experiments/tiny/curves.csv').open() as file:
        iterations = [int(row['iteration']) for row in csv.DictReader(file) if row['name'] == 'l_lcl']
    assert iterations == [1, 2, 3, 4, 5, 6]


def test_a_trained_generator_is_tested(run, tmp_path):
    folder, _ = run
    test = {
        'name': 'tiny_test',
        'model_type': 'CCLGANModel',
        'scale': 1,
        'num_gpu': 0,
        'manual_seed': 0,
        'datasets': {
            'test_1': {
                'name': 'pairs',
                'type': 'PairedImageDataset',
                'dataroot_lq': str(folder / 'data/val/rainy'),
                'dataroot_gt': str(folder / 'data/val/clean'),
                'io_backend': {'type': 'disk'},
            },
            'test_2': {
                'name': 'alone',
                'type': 'SingleImageDataset',
                'dataroot_lq': str(folder / 'data/rainy'),
                'io_backend': {'type': 'disk'},
            },
        },
        'network_g': {'type': 'CCLGANGenerator', 'width': 4, 'num_blocks': 1, 'residual': True},
        'path': {
            'pretrain_network_g': str(folder / 'experiments/tiny/models/net_g_latest.pth'),
            'strict_load_g': True,
            'param_key_g': 'params_ema',
        },
        'val': {
            'save_img': True,
            'suffix': None,
            'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}},
        },
    }
    (tmp_path / 'test.yml').write_text(yaml.safe_dump(test))
    result = basicsr('test', '-opt', 'test.yml', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert '# psnr: ' in result.stderr
    results = tmp_path / 'results/tiny_test/visualization'
    assert len(list((results / 'pairs').glob('*.png'))) == 2
    assert len(list((results / 'alone').glob('*.png'))) == 5


def test_two_processes_learn_what_one_learns_from_both_batches(tmp_path):
    launcher = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m', 'cclgan_plugin')
    # Plain gradient descent: Adam would turn the rounding of tiny gradients into steps of full size.
    descent = {f'train__optim_{group}': {'type': 'SGD', 'lr': 1.0e-3} for group in 'gdh'}
    for name, batch in (('one', 2), ('two', 1)):
        write_data(tmp_path / name / 'data')
        # Four images on each side: epochs of two iterations in both runs.
        (tmp_path / name / 'data/rainy/4.png').unlink()
        write_options(tmp_path / name, datasets__train__batch_size_per_gpu=batch, **descent)
    one = basicsr('train', '-opt', 'tiny.yml', cwd=tmp_path / 'one')
    assert one.returncode == 0, one.stderr
    two = python(*launcher, 'train', '-opt', 'tiny.yml', '--launcher', 'pytorch', cwd=tmp_path / 'two')
    assert two.returncode == 0, two.stderr
    assert two.stderr.count('Start training from epoch') == 1
    # Not the heads: their first gradients, of embeddings that are still tiny, are all rounding.
    for name in NETWORKS[:4]:
        early, late, shared = (
            torch.cat(
                [v.flatten() for v in checkpoint(tmp_path / run, f'net_{name}_{at}.pth')['params'].values()]
            )
            for run, at in (('one', 3), ('one', 6), ('two', 6))
        )
        learned = (late - early).norm()
        assert learned > 0
        # float32 rounds the sums of two processes otherwise, and kinks of the networks make that larger.
        assert (shared - late).norm() < 0.1 * learned, name


def test_a_loss_that_is_no_number_stops_the_run_with_its_name(tmp_path):
    write_data(tmp_path / 'data')
    write_options(tmp_path)
    over = ('train:optim_g:lr=1.0e+25', 'train:nan_limit=0')
    result = basicsr('train', '-opt', 'tiny.yml', '--force_yml', *over, cwd=tmp_path)
    assert result.returncode == 3
    message = result.stderr.splitlines()[-1]
    found = re.search(
        r'(l_\w+|the gradient) is (nan|inf|-inf) at iteration 2; the state of iteration 2, with the weights '
        r'from before it, was saved in .* \(1 skipped, nan_limit is 0\)',
        message,
    )
    assert found, message
    assert 'Traceback' not in result.stderr
    assert (tmp_path / 'experiments/tiny/training_states/2.state').is_file()
    assert not list((tmp_path / 'experiments/tiny/models').glob('*latest*'))


@pytest.mark.parametrize('file', ['train_cyclegan.yml', 'train_cut.yml', 'train_dclgan.yml'])
def test_the_baselines_are_configurations_of_the_same_model(tmp_path, file):
    from tiny_run import ROOT, tiny_options

    write_data(tmp_path / 'data')
    tiny = tiny_options()
    loaded = yaml.safe_load((ROOT / 'options' / file).read_text())
    # The shipped file, with tiny networks, data and numbers of iterations laid over it.
    (tmp_path / 'base.yml').write_text((ROOT / 'options' / file).read_text())
    for base in ('train_cclgan.yml', *([loaded['_base_']] if '_base_' in loaded else [])):
        (tmp_path / base).write_text((ROOT / 'options' / base).read_text())
    over = {
        '_base_': 'base.yml',
        'name': 'tiny',
        'num_gpu': 0,
        'datasets': {k: {**tiny['datasets'][k]} for k in tiny['datasets']},
        'train': {'total_iter': 2, 'scheduler': {'decay_start': 1, 'decay_end': 2}},
        'val': {'val_freq': 2},
        'logger': {**tiny['logger'], 'save_checkpoint_freq': 2},
    }
    from cclgan_plugin.options.inherit import load_options

    base = load_options(str(tmp_path / 'base.yml')).values
    over |= {
        key: {'width': 4, **({'num_blocks': 1} if '_g' in key else {})} if '_h' not in key else {'dim': 16}
        for key, value in base.items()
        if key.startswith('network_') and value
    }
    (tmp_path / 'over.yml').write_text(yaml.safe_dump(over))
    result = basicsr('train', '-opt', 'over.yml', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    saved = {path.name for path in (tmp_path / 'experiments/tiny/models').glob('*_latest.pth')}
    assert ('net_g_rain_latest.pth' in saved) == (file != 'train_cut.yml')
    assert ('net_h_latest.pth' in saved) == (file != 'train_cyclegan.yml')


def test_modes_of_the_step_leave_ordinary_checkpoints(tmp_path):
    """Half precision, another memory format and recomputation are nobody's business afterwards."""
    write_data(tmp_path / 'data')
    modes = {'train__amp': 'bf16', 'train__channels_last': True, 'train__checkpointing': True}
    write_options(tmp_path, train__total_iter=2, **modes)
    done = basicsr('train', '-opt', 'tiny.yml', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    saved = torch.load(tmp_path / 'experiments/tiny/models/net_g_latest.pth', weights_only=True)
    plain = CCLGANGenerator(width=4, num_blocks=1, residual=True)
    for weights in saved.values():
        assert {w.dtype for w in weights.values()} == {torch.float32}
        plain.load_state_dict(weights)
