"""A training in miniature for tests that run the real command: real photographs, tiny networks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import skimage.data
import yaml
from forked import CAN_FORK, command, finish, start

ROOT = Path(__file__).parents[1]


def write_photos(folder: Path, count: int, size: int = 48, seed: int = 0) -> Path:
    """Cut ``count`` squares out of a photograph, as PNG."""
    photo = skimage.data.astronaut()[..., ::-1]
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        y, x = (37 * i + 11 * seed) % (512 - size), (91 * i + 53 * seed) % (512 - size)
        assert cv2.imwrite(str(folder / f'{i}.png'), photo[y : y + size, x : x + size])
    return folder


def write_data(folder: Path) -> None:
    """Five rainy and four clean images that have nothing to do with each other, and two validation pairs."""
    write_photos(folder / 'rainy', 5, seed=1)
    write_photos(folder / 'clean', 4, seed=2)
    write_photos(folder / 'val/rainy', 2, seed=3)
    write_photos(folder / 'val/clean', 2, seed=4)


def tiny_options(**changes: Any) -> dict[str, Any]:
    """Options of a run of 6 iterations; ``changes`` are ``section__key=value``, nested by two underscores."""
    networks = {
        f'network_{name}{side}': dict(opt)
        for name, opt in {
            'g': {'type': 'CCLGANGenerator', 'width': 4, 'num_blocks': 1, 'residual': True},
            'd': {'type': 'CCLGANDiscriminator', 'width': 4},
            'h': {'type': 'LCLHead', 'dim': 16},
        }.items()
        for side in ('', '_rain')
    }
    pairs = {'type': 'PairedImageDataset', 'dataroot_lq': 'data/val/rainy', 'dataroot_gt': 'data/val/clean'}
    adam = {'type': 'Adam', 'lr': 1.0e-3, 'betas': [0.5, 0.999]}
    options: dict[str, Any] = {
        'name': 'tiny',
        'model_type': 'CCLGANModel',
        'scale': 1,
        'num_gpu': 0,
        'manual_seed': 7,
        'datasets': {
            'train': {
                'name': 'unpaired',
                'type': 'UnpairedImageDataset',
                'dataroot_lq': 'data/rainy',
                'dataroot_gt': 'data/clean',
                'gt_size': 32,
                'num_worker_per_gpu': 0,
                'batch_size_per_gpu': 2,
            },
            'val': {'name': 'pairs', **pairs, 'io_backend': {'type': 'disk'}},
        },
        **networks,
        'train': {
            'total_iter': 6,
            'ema_decay': 0.9,
            'optim_g': adam,
            'optim_d': adam,
            'optim_h': {'type': 'Adam', 'lr': 1.0e-3},
            'scheduler': {'type': 'LinearDecayLR', 'decay_start': 3, 'decay_end': 6},
            'gan_opt': {'type': 'GANLoss', 'gan_type': 'hinge', 'loss_weight': 1.0},
            'idt_opt': {'type': 'L1Loss', 'loss_weight': 1.0},
            'lcl_opt': {'type': 'LCLLoss', 'loss_weight': 2.0, 'num_patches': 16},
            'intra_ccl_opt': {
                'type': 'IntraCCLLoss',
                'encoder': {'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_1']},
            },
            'inter_ccl_opt': {'type': 'InterCCLLoss', 'loss_weight': 0.005, 'num_patches': 8},
        },
        'val': {
            'val_freq': 3,
            'save_img': False,
            'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0, 'test_y_channel': True}},
        },
        'logger': {'print_freq': 1, 'save_checkpoint_freq': 3, 'use_tb_logger': False},
        'path': {},
    }
    for path, value in changes.items():
        *parents, key = path.split('__')
        section = options
        for parent in parents:
            section = section[parent]
        if value is None:
            section.pop(key, None)
        else:
            section[key] = value
    return options


def write_options(folder: Path, file: str = 'tiny.yml', **changes: Any) -> Path:
    """Write :func:`tiny_options` as YAML."""
    path = folder / file
    path.write_text(yaml.safe_dump(tiny_options(**changes), sort_keys=False))
    return path


def python(*arguments: str, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run Python with our package; its output is not a terminal."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def basicsr(*arguments: str, cwd: Path, fresh: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, where need be in a fresh interpreter as a user does."""
    if fresh or not CAN_FORK:
        return python('-m', 'cclgan_plugin', *arguments, cwd=cwd)
    with tempfile.TemporaryDirectory() as logs:
        out, err = Path(logs, 'out'), Path(logs, 'err')
        process = start(command, *arguments, cwd=cwd, log=str(out), errors=str(err))
        (code,) = finish([process], timeout=300)
        assert code is not None, f'{arguments} has not ended after 300 s'
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())
