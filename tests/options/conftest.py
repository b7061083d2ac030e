"""A tiny valid options file, and ways to change and check it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.options.check import check_options
from cclgan_plugin.options.force import force_options
from cclgan_plugin.options.inherit import load_options

TINY = """\
name: tiny
model_type: CCLGANModel
num_gpu: 0
manual_seed: 1
datasets:
  train:
    name: unpaired
    type: UnpairedImageDataset
    dataroot_lq: rainy
    dataroot_gt: clean
    gt_size: 32
    num_worker_per_gpu: 0
  val:
    name: pairs
    type: PairedImageDataset
    dataroot_lq: val/rainy
    dataroot_gt: val/clean
    io_backend: {type: disk}
network_g: {type: CCLGANGenerator, width: 2, num_blocks: 1}
network_g_rain: {type: CCLGANGenerator, width: 2, num_blocks: 1}
network_d: {type: CCLGANDiscriminator, width: 2}
network_d_rain: {type: CCLGANDiscriminator, width: 2}
network_h: {type: LCLHead, dim: 4}
network_h_rain: {type: LCLHead, dim: 4}
train:
  total_iter: 4
  optim_g: {type: Adam, lr: 1e-4}
  optim_d: {type: Adam, lr: 1e-4}
  optim_h: {type: Adam}
  scheduler: {type: LinearDecayLR, decay_start: 2, decay_end: 4}
  gan_opt: {type: GANLoss, gan_type: hinge}
  idt_opt: {type: L1Loss}
  lcl_opt: {type: LCLLoss, num_patches: 4}
  intra_ccl_opt:
    type: IntraCCLLoss
    encoder: {type: VGG19Encoder, weights: random, layers: [relu1_1]}
  inter_ccl_opt: {type: InterCCLLoss, num_patches: 4}
val:
  val_freq: 2
  metrics:
    psnr: {type: calculate_psnr, crop_border: 0}
"""

TINY_TEST = """\
name: tiny_test
model_type: CCLGANModel
num_gpu: 0
datasets:
  test_1:
    name: pairs
    type: PairedImageDataset
    dataroot_lq: val/rainy
    dataroot_gt: val/clean
    io_backend: {type: disk}
network_g: {type: CCLGANGenerator, width: 2, num_blocks: 1}
path:
  pretrain_network_g: net_g.pth
val:
  save_img: true
"""

SR = """\
name: sr
model_type: SRModel
scale: 4
num_gpu: 0
manual_seed: 0
datasets:
  train:
    name: pairs
    type: PairedImageDataset
    dataroot_lq: lq
    dataroot_gt: gt
    io_backend: {type: disk}
    gt_size: 32
    use_hflip: true
    use_rot: true
    use_shuffle: true
    num_worker_per_gpu: 0
    batch_size_per_gpu: 1
network_g: {type: MSRResNet, num_in_ch: 3, num_out_ch: 3, num_feat: 4, num_block: 1, upscale: 4}
path:
  strict_load_g: true
train:
  total_iter: 4
  optim_g: {type: Adam, lr: !!float 1e-4, weight_decay: 0, betas: [0.9, 0.99]}
  scheduler: {type: MultiStepLR, milestones: [2], gamma: 0.5}
  pixel_opt: {type: L1Loss, loss_weight: 1.0, reduction: mean}
logger:
  print_freq: 1
  save_checkpoint_freq: !!float 5e3
  use_tb_logger: false
"""

Check = Callable[..., dict[str, Any]]
Write = Callable[[Path, str], Path]


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, 'utf-8')
    return path


def _check(path: Path, *forced: str, is_train: bool = True) -> dict[str, Any]:
    return check_options(force_options(load_options(path), forced), is_train)


@pytest.fixture
def write() -> Write:
    """Write a text file, with its folders."""
    return _write


@pytest.fixture
def check() -> Check:
    """Load an options file, override, check."""
    return _check


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A small CCLGAN training."""
    return _write(tmp_path / 'tiny.yml', TINY)


@pytest.fixture
def tiny_test(tmp_path: Path) -> Path:
    """A small CCLGAN test."""
    return _write(tmp_path / 'tiny_test.yml', TINY_TEST)


@pytest.fixture
def sr(tmp_path: Path) -> Path:
    """A plain BasicSR model."""
    return _write(tmp_path / 'sr.yml', SR)
