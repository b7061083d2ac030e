"""What the tests of the mends share: fresh interpreters, tiny images, and a tiny SRModel run."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a program in a fresh interpreter, where nothing has been imported yet."""

    def run(program: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
        return subprocess.run(
            [sys.executable, '-c', program],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def write_images() -> Callable[..., Path]:
    """Writes ``count`` distinct noisy PNGs, ``size`` pixels square, into a folder: 0.png, 1.png, ..."""

    def write(folder: Path, count: int, size: int = 16) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            noise = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
            assert cv2.imwrite(str(folder / f'{number}.png'), noise)
        return folder

    return write


@pytest.fixture
def make_opt(tmp_path: Path, write_images: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    """Options, as BasicSR's own parser would return them, of a tiny SRModel that learns to copy images."""

    def make(images: int = 8, is_train: bool = True, **train: Any) -> dict[str, Any]:
        folder = write_images(tmp_path / f'images_{images}', images)
        root = tmp_path / ('experiments' if is_train else 'results') / 'tiny'
        pairs = {
            'name': 'pairs',
            'type': 'PairedImageDataset',
            'dataroot_gt': str(folder),
            'dataroot_lq': str(folder),
            'io_backend': {'type': 'disk'},
            'scale': 1,
        }
        train_set = {
            **pairs,
            'phase': 'train',
            'gt_size': 8,
            'use_hflip': True,
            'use_rot': False,
            'num_worker_per_gpu': 0,
            'batch_size_per_gpu': 3,
        }
        return {
            'name': 'tiny',
            'model_type': 'SRModel',
            'scale': 1,
            'num_gpu': 0,
            'manual_seed': 0,
            'dist': False,
            'rank': 0,
            'world_size': 1,
            'auto_resume': False,
            'is_train': is_train,
            'datasets': {'train': train_set} if is_train else {'test': {**pairs, 'phase': 'test'}},
            'network_g': {'type': 'SRVGGNetCompact', 'num_feat': 4, 'num_conv': 1, 'upscale': 1},
            'path': {
                'pretrain_network_g': None,
                'resume_state': None,
                'experiments_root' if is_train else 'results_root': str(root),
                'models': str(root / 'models'),
                'training_states': str(root / 'training_states'),
                'log': str(root),
                'visualization': str(root / 'visualization'),
            },
            'train': {
                'total_iter': 5,
                'warmup_iter': -1,
                'ema_decay': 0,
                'optim_g': {'type': 'Adam', 'lr': 1e-3},
                'scheduler': {'type': 'MultiStepLR', 'milestones': [1000]},
                'pixel_opt': {'type': 'L1Loss', 'loss_weight': 1.0, 'reduction': 'mean'},
                **train,
            },
            'logger': {'print_freq': 1, 'save_checkpoint_freq': 1000, 'use_tb_logger': False},
        }

    return make


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Runs BasicSR's ``train_pipeline`` with given options instead of a command line."""
    from basicsr import train as module

    def run(opt: dict[str, Any]) -> None:
        monkeypatch.setattr(module, 'parse_options', lambda root, is_train: (opt, Namespace(opt='tiny.yml')))
        monkeypatch.setattr(module, 'copy_opt_file', lambda file, folder: None)
        module.train_pipeline(str(tmp_path))

    return run
