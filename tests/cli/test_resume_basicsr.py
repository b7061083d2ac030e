"""Models and datasets of BasicSR's own: a run that was stopped ends as if it had never been, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from forked import needs_fork
from tiny_run import write_photos
from whole_runs import load, same, stop, train

pytestmark = needs_fork

#: It draws paths to drop in each step, from the generators of the process.
SWIN = {
    'type': 'SwinIR',
    'upscale': 1,
    'img_size': 16,
    'window_size': 8,
    'img_range': 1.0,
    'depths': [2],
    'embed_dim': 8,
    'num_heads': [2],
    'mlp_ratio': 2,
    'upsampler': '',
    'resi_connection': '1conv',
    'drop_path_rate': 0.5,
}


def prepare(folder: Path, model: str = 'PairedModel', workers: int = 0) -> Path:
    """A folder with five pairs, so two batches an epoch, and options of a run of 7 iterations."""
    for name, seed in (('lq', 1), ('gt', 2)):
        write_photos(folder / 'data' / name, 5, seed=seed)
        write_photos(folder / 'data/val' / name, 2, seed=seed + 2)
    pairs = {'type': 'PairedImageDataset', 'io_backend': {'type': 'disk'}}
    crops = {'gt_size': 16, 'use_hflip': True, 'use_rot': True}
    # The network is closest to the truth before it has learnt anything, so to speak.
    psnr = {'type': 'calculate_psnr', 'crop_border': 0, 'better': 'lower'}
    options: dict[str, Any] = {
        'name': 'tiny',
        'model_type': model,
        'scale': 1,
        'num_gpu': 0,
        'manual_seed': 7,
        'datasets': {
            'train': {
                'name': 'pairs',
                **pairs,
                'dataroot_lq': 'data/lq',
                'dataroot_gt': 'data/gt',
                **crops,
                'num_worker_per_gpu': workers,
                'batch_size_per_gpu': 2,
            },
            'val': {'name': 'val', **pairs, 'dataroot_lq': 'data/val/lq', 'dataroot_gt': 'data/val/gt'},
        },
        'network_g': SWIN,
        'train': {
            'total_iter': 7,
            'ema_decay': 0.9 if model == 'ContrastiveModel' else 0,
            'optim_g': {'type': 'Adam', 'lr': 1.0e-2},
            'scheduler': {'type': 'MultiStepLR', 'milestones': [4]},
            'pixel_opt': {'type': 'L1Loss'},
        },
        'val': {'val_freq': 1, 'save_img': False, 'metrics': {'psnr': psnr}},
        'logger': {'print_freq': 1, 'save_checkpoint_freq': 7, 'use_tb_logger': False},
        'path': {},
    }
    if model == 'ContrastiveModel':
        options['base_model_type'] = 'PairedModel'
        lcl = {'type': 'LCLLoss', 'num_patches': 8, 'layers': ['conv_first']}
        options['train']['contrastive_opt'] = {'lcl': lcl}
    (folder / 'tiny.yml').write_text(yaml.safe_dump(options, sort_keys=False))
    return folder


def ended(folder: Path) -> dict[str, Any]:
    """What a run leaves: the last state, with generators and the best value in it, and the last network."""
    experiment = folder / 'experiments/tiny'
    state: dict[str, Any] = load(experiment / 'training_states/7.state')
    return state | {'net_g': load(experiment / 'models/net_g_latest.pth')}


@pytest.mark.parametrize(
    ('model', 'workers', 'stops'),
    [('PairedModel', 0, (2, 5)), ('PairedModel', 1, (3, 4)), ('ContrastiveModel', 0, (1,))],
)
def test_a_resumed_run_is_the_uninterrupted_one(
    model: str, workers: int, stops: tuple[int, ...], tmp_path: Path
) -> None:
    """Stopped within epochs of two batches and at their ends. The best value is that of an early network."""
    whole, cut = (prepare(tmp_path / name, model, workers) for name in ('whole', 'cut'))
    train(whole)
    for iteration in stops:
        assert stop(cut, iteration, '--auto_resume') == 75
    train(cut, 1, '--auto_resume')
    expected, found = ended(whole), ended(cut)
    assert list(found) == list(expected)
    assert {key for key in expected if not same(found[key], expected[key])} == set()
    best = expected['best_metric_results']['val']['psnr']
    assert best['iter'] < stops[-1] or model == 'ContrastiveModel'
    assert f'Best: {best["val"]:.4f} @ {best["iter"]} iter' in (cut / 'train.log').read_text()


def test_a_state_without_what_states_hold_now_is_resumed(tmp_path: Path) -> None:
    """As BasicSR, and this package before, saved it."""
    prepare(tmp_path)
    assert stop(tmp_path, 2) == 75
    path = tmp_path / 'experiments/tiny/training_states/2.state'
    state = load(path)
    for key in ('ranks', 'total_iter', 'best_metric_results'):
        del state[key]
    torch.save(state, path)
    train(tmp_path, 1, '--auto_resume')
    assert ended(tmp_path)['iter'] == 7
