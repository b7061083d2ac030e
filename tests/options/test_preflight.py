"""Bad input at every door: one clear message before anything is created, nothing overwritten."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cclgan_plugin.archs import CCLGANGenerator
from cclgan_plugin.errors import DataError, OptionError, UserError, WeightsError
from cclgan_plugin.mends import experiment_folders
from cclgan_plugin.options.parse import parse_options
from cclgan_plugin.options.preflight import preflight

Options = Callable[..., dict[str, Any]]


def save_image(path: Path, size: int = 40, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def run(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """The options of the tiny training, with images, as ``parse_options`` gives them."""
    for i in range(3):
        for folder in ('rainy', 'clean', 'val/rainy', 'val/clean'):
            save_image(tmp_path / folder / f'{i}.png', seed=i)
    monkeypatch.chdir(tmp_path)

    def options(*forced: str, path: Path = tiny, is_train: bool = True) -> dict[str, Any]:
        flags = ['--force_yml', *forced] if forced else []
        monkeypatch.setattr(sys, 'argv', ['basicsr', '-opt', str(path), *flags])
        return parse_options(str(tmp_path), is_train)[0]

    return options


def refused(opt: dict[str, Any], kind: type[UserError]) -> str:
    """The message; and the proof that no folder was touched."""
    root = Path(opt['path']['log']).parents[1]
    old = root / 'experiments' / opt['name'] / 'models' / 'net_g_4.pth'
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_bytes(b'weights of an earlier run')
    with pytest.raises(kind) as raised:
        experiment_folders.make_exp_dirs(opt)
    assert old.read_bytes() == b'weights of an earlier run'
    assert [path.name for path in (root / 'experiments').glob('[!.]*')] == [opt['name']]
    assert '\n' not in str(raised.value)
    return str(raised.value)


def test_good_options_pass_and_leave_no_trace(run: Options, tmp_path: Path) -> None:
    """Neither files nor the state of the random generator change."""
    opt = run()
    files = sorted(tmp_path.rglob('*'))
    state = torch.random.get_rng_state()
    preflight(opt)
    assert sorted(tmp_path.rglob('*')) == files
    assert torch.equal(torch.random.get_rng_state(), state)


# ---------------------------------------------------------------------- images


def test_no_folder(run: Options) -> None:
    """With a hint at the one that was probably meant."""
    message = refused(run('datasets:train:dataroot_lq=raniy'), DataError)
    assert message.startswith('datasets.train: dataroot_lq: there is no folder "raniy"')
    assert 'Did you mean "rainy"?' in message
    message = refused(run('datasets:val:dataroot_gt=val/claen'), DataError)
    assert message.startswith('datasets.val: dataroot_gt: there is no folder "val/claen"')


@pytest.mark.parametrize('folder', ['rainy', 'clean', 'val/rainy', 'val/clean'])
def test_empty_folder(run: Options, tmp_path: Path, folder: str) -> None:
    """On every side of every set."""
    for image in (tmp_path / folder).iterdir():
        image.unlink()
    message = refused(run(), DataError)
    assert folder.split('/')[-1] in message
    assert 'datasets.val' in message if folder.startswith('val') else 'datasets.train' in message


def test_pairs_must_match(run: Options, tmp_path: Path) -> None:
    """An image without a partner, and a truth that is smaller than its image."""
    (tmp_path / 'val/clean/2.png').rename(tmp_path / 'val/clean/two.png')
    message = refused(run(), DataError)
    assert (
        '1 of the images in dataroot_lq "val/rainy" have no partner in dataroot_gt "val/clean", e.g. 2.png'
        in message
    )
    (tmp_path / 'val/clean/two.png').unlink()
    save_image(tmp_path / 'val/clean/2.png', size=20)
    message = refused(run(), DataError)
    assert 'val/clean/2.png is 20x20, smaller than val/rainy/2.png (40x40)' in message


def test_every_pair_is_measured_whole(run: Options, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of many pairs a few are decoded, but the size of none may be off; a narrow edge is told."""
    for i in range(3, 40):
        for folder in ('val/rainy', 'val/clean'):
            save_image(tmp_path / folder / f'{i}.png')
    preflight(run())
    assert not caplog.text
    for odd, what in ((39, 'smaller'), (60, 'larger')):
        save_image(tmp_path / 'val/clean/38.png', size=odd)
        message = refused(run(), DataError)
        assert f'val/clean/38.png is {odd}x{odd}, {what} than val/rainy/38.png (40x40)' in message
    save_image(tmp_path / 'val/clean/38.png', size=44)
    preflight(run())
    assert 'larger than val/rainy/38.png (40x40): its upper left part alone is compared' in caplog.text


def test_images_in_subfolders_are_told(
    run: Options, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """BasicSR's datasets do not look there."""
    save_image(tmp_path / 'val/rainy/more/7.png')
    preflight(run())
    assert (
        'dataroot_lq: 1 images in subfolders of "val/rainy", such as more/7.png, are not taken' in caplog.text
    )
    for i in range(3):
        (tmp_path / f'val/rainy/{i}.png').unlink()
    assert 'dataroot_lq: all 1 images of "val/rainy" lie in subfolders' in refused(run(), DataError)


def test_pairs_by_template_and_by_list(run: Options, tmp_path: Path) -> None:
    """``filename_tmpl`` and ``meta_info_file`` are followed as BasicSR does."""
    for i in range(3):
        (tmp_path / f'val/rainy/{i}.png').rename(tmp_path / f'val/rainy/{i}_rain.png')
    preflight(run("datasets:val:filename_tmpl='{}_rain'"))
    assert 'have no partner' in refused(run(), DataError)
    (tmp_path / 'list.txt').write_text('0.png (40,40,3)\n2.png (40,40,3)\n')
    preflight(run("datasets:val:filename_tmpl='{}_rain'", 'datasets:val:meta_info_file=list.txt'))
    (tmp_path / 'list.txt').write_text('9.png\n')
    message = refused(run('datasets:val:meta_info_file=list.txt'), DataError)
    assert 'meta_info_file: "list.txt" names "9.png", which is not in dataroot_gt' in message


def test_two_listed_images_are_not_paired_with_one(run: Options, tmp_path: Path) -> None:
    """BasicSR leaves out the folders of a list on one side."""
    for folder in ('a', 'b'):
        save_image(tmp_path / f'val/clean/{folder}/0.png')
    (tmp_path / 'list.txt').write_text('a/0.png\n')
    preflight(run('datasets:val:meta_info_file=list.txt'))
    (tmp_path / 'list.txt').write_text('a/0.png\nb/0.png\n')
    message = refused(run('datasets:val:meta_info_file=list.txt'), DataError)
    assert 'a/0.png and b/0.png of dataroot_gt would both be paired with 0.png of dataroot_lq' in message
    for folder in ('a', 'b'):
        save_image(tmp_path / f'val/rainy/{folder}/0.png')
    preflight(run('datasets:val:meta_info_file=list.txt'))
    (tmp_path / 'list.txt').write_text('a/0.png\nc/5.png\n')
    save_image(tmp_path / 'val/clean/c/5.png')
    assert 'have no partner in dataroot_lq "val/rainy", e.g. c/5.png' in refused(
        run('datasets:val:meta_info_file=list.txt'), DataError
    )


@pytest.mark.parametrize('folder', ['rainy', 'clean', 'val/rainy', 'val/clean'])
@pytest.mark.parametrize('content', [b'I am a text.\n', b'', b'\x89PNG\r\n\x1a\n' + b'broken'])
def test_a_file_that_is_no_image(run: Options, tmp_path: Path, folder: str, content: bytes) -> None:
    """A text file named .png among good images, wherever it stands, is named."""
    (tmp_path / folder / '1.png').write_bytes(content)
    assert f'{folder}/1.png' in refused(run(), DataError)


def test_a_truncated_jpeg(run: Options, tmp_path: Path) -> None:
    """Half a photograph."""
    save_image(tmp_path / 'rainy/9.jpg')
    data = (tmp_path / 'rainy/9.jpg').read_bytes()
    (tmp_path / 'rainy/9.jpg').write_bytes(data[: len(data) // 2])
    assert 'rainy/9.jpg' in refused(run(), DataError)


def test_corrupt_images_may_be_skipped_unless_all_are(run: Options, tmp_path: Path) -> None:
    """``corrupt_images: skip`` needs one good image on each side."""
    (tmp_path / 'rainy/0.png').write_bytes(b'no image')
    preflight(run('datasets:train:corrupt_images=skip'))
    for i in range(3):
        (tmp_path / f'rainy/{i}.png').write_bytes(b'no image')
    assert 'none of the 3 images' in refused(run('datasets:train:corrupt_images=skip'), DataError)


def test_lists_and_databases(run: Options, tmp_path: Path) -> None:
    """A missing list, a listed image that is not there, a folder that only looks like a database."""
    message = refused(run('datasets:train:meta_info_file_lq=none.txt'), DataError)
    assert 'there is no file "none.txt"' in message
    (tmp_path / 'list.txt').write_text('0.png\n7.png\n')
    message = refused(run('datasets:train:meta_info_file_lq=list.txt'), DataError)
    assert 'list.txt:2: there is no file "7.png"' in message
    (tmp_path / 'rainy.lmdb').mkdir()
    forced = [f'datasets:train:dataroot_{side}=rainy.lmdb' for side in ('lq', 'gt')]
    message = refused(
        run(*forced, 'datasets:train:io_backend:type=lmdb', 'datasets:train:meta_info_file_gt=list.txt'),
        UserError,
    )
    assert message.startswith('datasets.train: ')


def test_a_test_set_without_truth(run: Options, tiny_test: Path, tmp_path: Path) -> None:
    """Single images: the folder and its files are looked at as well."""
    torch.save({'params': CCLGANGenerator(2, 1).state_dict()}, tmp_path / 'net_g.pth')
    single = (
        'datasets:test_1={type: SingleImageDataset, name: real, dataroot_lq: rainy, io_backend: {type: disk}}'
    )
    forced = ['datasets:test_1=null', single]
    preflight(run(*forced, path=tiny_test, is_train=False))
    (tmp_path / 'rainy/1.png').write_text('no image')
    with pytest.raises(DataError, match=r'datasets.test_1: rainy/1.png'):
        preflight(run(*forced, path=tiny_test, is_train=False))


def test_sets_of_other_packages(run: Options, sr: Path, tmp_path: Path) -> None:
    """Whatever a ``dataroot_*`` or ``meta_info*`` names must exist."""
    other = 'type: REDSDataset, name: x, dataroot_gt: clean, dataroot_lq: {}, meta_info_file: {}'
    other += ', num_worker_per_gpu: 0, batch_size_per_gpu: 1'
    (tmp_path / 'list.txt').write_text('x')
    forced = [f'datasets:train={{{other.format("nowhere", "list.txt")}}}']
    with pytest.raises(DataError, match=r'datasets.train: dataroot_lq: there is no folder "nowhere"'):
        preflight(run('datasets:train=null', *forced, path=sr))
    forced = [f'datasets:train={{{other.format("rainy", "none.txt")}}}']
    with pytest.raises(DataError, match=r'datasets.train: meta_info_file: there is no file "none.txt"'):
        preflight(run('datasets:train=null', *forced, path=sr))


# ---------------------------------------------------------------------- weights


def test_weights_that_fit_pass(run: Options, tmp_path: Path) -> None:
    """Under params, under another key, bare, and saved from inside DataParallel."""
    state = CCLGANGenerator(2, 1).state_dict()
    torch.save({'params': state}, tmp_path / 'g.pth')
    preflight(run('path:pretrain_network_g=g.pth'))
    preflight(run('path:pretrain_network_g=g.pth', 'path:param_key_g=params_ema'))
    torch.save({f'module.{key}': value for key, value in state.items()}, tmp_path / 'bare.pth')
    preflight(run('path:pretrain_network_g=bare.pth', 'path:param_key_g=null'))


def test_weights_of_another_architecture(run: Options, tmp_path: Path) -> None:
    """Says what was expected and what the file holds, for a width, a depth, and a network of another kind."""
    torch.save({'params': CCLGANGenerator(4, 1).state_dict()}, tmp_path / 'wide.pth')
    message = refused(run('path:pretrain_network_g=wide.pth'), WeightsError)
    assert message.startswith(
        'path.pretrain_network_g: wide.pth was made for another architecture than network_g '
        '(CCLGANGenerator: width 2, num_blocks 1, norm instance, anti_alias True, residual False, '
        'residual_channels 3, skips False): it expected '
    )
    assert 'the file holds (4, 3, 7, 7)' in message
    torch.save({'params': CCLGANGenerator(2, 2).state_dict()}, tmp_path / 'deep.pth')
    assert 'the file holds 2 that it does not have' in refused(
        run('path:pretrain_network_g=deep.pth'), WeightsError
    )
    message = refused(run('path:pretrain_network_d=deep.pth'), WeightsError)
    assert 'than network_d (CCLGANDiscriminator: width 2, anti_alias True)' in message
    message = refused(run('path:pretrain_network_h=deep.pth'), WeightsError)
    assert 'than network_h (LCLHead: dim 4)' in message
    assert 'of its 12 tensors are missing in the file' in message
    # Not strict: what fits is taken, as long as something does.
    preflight(run('path:pretrain_network_g=deep.pth', 'path:strict_load_g=false'))
    refused(run('path:pretrain_network_d=deep.pth', 'path:strict_load_d=false'), WeightsError)


def test_files_that_are_no_weights(run: Options, tmp_path: Path) -> None:
    """Missing (with a hint), a folder, text, a training state, no such key, a picture of something else."""
    torch.save({'params': CCLGANGenerator(2, 1).state_dict()}, tmp_path / 'net_g_latest.pth')
    message = refused(run('path:pretrain_network_g=net_g_lastet.pth'), WeightsError)
    assert 'there is no such file. Did you mean "net_g_latest.pth"?' in message
    assert 'this is a folder' in refused(run('path:pretrain_network_g=rainy'), WeightsError)
    (tmp_path / 'text.pth').write_text('hello')
    assert 'path.pretrain_network_g: text.pth' in refused(
        run('path:pretrain_network_g=text.pth'), WeightsError
    )
    torch.save({'epoch': 1, 'iter': 5, 'optimizers': [], 'schedulers': []}, tmp_path / '5.state')
    message = refused(run('path:pretrain_network_g=5.state'), WeightsError)
    assert 'is a training state (iteration 5)' in message
    torch.save({'weights': {}}, tmp_path / 'other.pth')
    assert 'holds no "params" but weights' in refused(run('path:pretrain_network_g=other.pth'), WeightsError)
    torch.save({'a': torch.zeros(1)}, tmp_path / 'bare.pth')
    assert 'write ~ as param_key' in refused(run('path:pretrain_network_g=bare.pth'), WeightsError)
    torch.save([1, 2], tmp_path / 'list.pth')
    assert 'holds no weights of a network but a list' in refused(
        run('path:pretrain_network_g=list.pth'), WeightsError
    )


def test_weights_never_run_code(run: Options, tmp_path: Path) -> None:
    """A pickle that would touch a file on loading is refused unopened."""
    marker = tmp_path / 'executed'

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f'touch {marker}',)

    torch.save({'params': Evil()}, tmp_path / 'evil.pth')
    refused(run('path:pretrain_network_g=evil.pth'), WeightsError)
    assert not marker.exists()


def test_networks_of_other_packages_are_compared_too(run: Options, sr: Path, tmp_path: Path) -> None:
    """BasicSR's own; and one that cannot be built without memory is left to the loading."""
    from basicsr.archs.srresnet_arch import MSRResNet
    from basicsr.utils.registry import ARCH_REGISTRY

    for side in ('lq', 'gt'):
        save_image(tmp_path / side / '0.png')
    torch.save({'params': MSRResNet(3, 3, 8, 1).state_dict()}, tmp_path / 'sr.pth')
    with pytest.raises(WeightsError, match=r'was made for another architecture than network_g \(MSRResNet'):
        preflight(run('path:pretrain_network_g=sr.pth', path=sr))

    class NeedsMemory(MSRResNet):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.total = sum(float(p.detach().sum()) for p in self.parameters())

    ARCH_REGISTRY._obj_map['NeedsMemory'] = NeedsMemory
    try:
        preflight(run('path:pretrain_network_g=sr.pth', 'network_g:type=NeedsMemory', path=sr))
    finally:
        del ARCH_REGISTRY._obj_map['NeedsMemory']


# ---------------------------------------------------------------------- surroundings


def test_encoder_weights_must_be_at_hand(run: Options) -> None:
    """A named file that is not there is said at once, not at the first step."""
    message = refused(run('train:intra_ccl_opt:encoder:weights=vgg.pth'), WeightsError)
    assert 'vgg.pth' in message
    two = '[{type: VGG19Encoder, weights: random}, {type: VGG19Encoder, weights: no.pth}]'
    forced = f'train:intra_ccl_opt:encoder={two}'
    assert 'no.pth' in refused(run(forced), WeightsError)


def test_the_output_folder_can_be_made(run: Options, tmp_path: Path) -> None:
    """A file in its way, and a folder that may not be written."""
    (tmp_path / 'taken').write_text('a file')
    with pytest.raises(OptionError, match=r'path.root: results would go to .*taken.* is not a folder'):
        preflight(run('path:root=taken'))
    closed = tmp_path / 'closed'
    closed.mkdir()
    closed.chmod(0o500)
    if not os.access(closed, os.W_OK):
        with pytest.raises(OptionError, match=r'closed may not be written'):
            preflight(run('path:root=closed'))


def test_a_folder_that_may_not_be_written(
    run: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for those who run tests as root, whom no permission stops."""
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    with pytest.raises(OptionError, match=r'path.root: results would go to .* may not be written'):
        preflight(run())


def test_wandb_must_be_installed(run: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said with the command that installs it."""
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name, *rest: None if name == 'wandb' else found(name, *rest)
    )
    with pytest.raises(OptionError, match='the package wandb is not installed: pip install wandb'):
        preflight(run('logger:wandb:project=x'))


def test_fewer_images_than_one_batch(run: Options) -> None:
    """Found before anything is made, with all ways out."""
    message = refused(run('datasets:train:batch_size_per_gpu=1000'), OptionError)
    assert 'Lower batch_size_per_gpu, raise dataset_enlarge_ratio, or set small_set: repeat' in message
    preflight(run('datasets:train:batch_size_per_gpu=1000', 'datasets:train:small_set=repeat'))
    message = refused(run('datasets:train:batch_size_per_gpu=2', 'train:grad_accum=2'), OptionError)
    assert 'a step takes 4 images of each side (batch_size_per_gpu, times train.grad_accum)' in message
    preflight(run('datasets:train:batch_size_per_gpu=1000', 'datasets:train:dataset_enlarge_ratio=1000'))


def test_fewer_pairs_than_one_batch(run: Options, sr: Path) -> None:
    """BasicSR's models are told as early."""
    pairs = ('datasets:train:dataroot_lq=val/rainy', 'datasets:train:dataroot_gt=val/clean')
    message = refused(run(*pairs, 'datasets:train:batch_size_per_gpu=4', path=sr), OptionError)
    assert 'datasets.train: a batch has 4 pairs; there are 3, 3 for each process and epoch.' in message
    for way_out in ('batch_size_per_gpu=3', 'dataset_enlarge_ratio=2', 'small_set=repeat'):
        forced = ('datasets:train:batch_size_per_gpu=4', f'datasets:train:{way_out}')
        preflight(run(*pairs, *forced, path=sr))


def test_batches_are_copied_to_a_gpu_that_is_there(run: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """``prefetch_mode: cuda`` fails on a machine without one when the first batch is on its way."""
    opt = run('datasets:train:prefetch_mode=cuda', 'datasets:train:pin_memory=true')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert 'datasets.train.prefetch_mode: there is no CUDA GPU' in refused(opt, OptionError)


def test_the_batches_are_counted_as_the_sampler_deals_them(
    run: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three images for two processes: the first card of the next round fills up the second one's hand."""
    monkeypatch.setattr('basicsr.utils.dist_util.get_dist_info', lambda: (0, 2))
    preflight(run('datasets:train:batch_size_per_gpu=2'))
    assert '2 for each process' in refused(run('datasets:train:batch_size_per_gpu=3'), OptionError)


def test_images_that_are_rained_on_count_on_the_other_side(run: Options) -> None:
    rain = ('datasets:train:synthetic_rain:fraction=0.34', 'datasets:train:batch_size_per_gpu=4')
    preflight(run(*rain))
    message = refused(run(*rain, 'datasets:train:batch_size_per_gpu=5'), OptionError)
    assert 'the larger side has 4' in message


def test_what_a_validation_saves_and_measures(run: Options, tmp_path: Path) -> None:
    for folder in ('val/rainy', 'val/clean'):
        (tmp_path / folder / '0.bmp').write_bytes((tmp_path / folder / '0.png').read_bytes())
    forced = ['val:save_img=true', 'val:metrics={psnr: {type: calculate_psnr, crop_border: 0}}']
    assert 'datasets.val: val/rainy/0.bmp and val/rainy/0.png would be saved as one picture' in refused(
        run(*forced), DataError
    )
    forced = ['val:metrics={ssim: {type: calculate_ssim, crop_border: 15}}']
    assert 'datasets.val: val.metrics.ssim.crop_border: 15 leaves 10 pixels' in refused(
        run(*forced), OptionError
    )
