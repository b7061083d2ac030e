"""ContrastiveModel through the real command: the shipped files, made small, train, resume and test."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
import yaml
from tiny_run import ROOT, basicsr, write_photos

from cclgan_plugin.checksum import sha256_of

VGG = {'_delete_': True, 'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_2', 'relu2_1']}
RRDB = {'num_feat': 4, 'num_grow_ch': 4}
SWIN = {'img_size': 16, 'depths': [2], 'embed_dim': 8, 'num_heads': [2]}
#: Networks so small that a step takes no time, the side of the crops, and the losses that are logged.
SHRUNK: dict[str, tuple[dict[str, Any], int, list[str]]] = {
    'contrastive_srmodel_rain800.yml': ({'network_g': RRDB}, 32, ['l_pix', 'l_intra_ccl', 'l_lcl']),
    'contrastive_srgan_x4.yml': (
        {'network_g': {'num_feat': 4, 'num_block': 1}, 'network_d': {'num_feat': 4}},
        128,
        ['l_g_pix', 'l_g_gan', 'l_d_real', 'l_intra_ccl', 'l_inter_ccl', 'l_lcl'],
    ),
    'contrastive_swinir_x2.yml': ({'network_g': SWIN}, 32, ['l_pix', 'l_intra_ccl']),
    'contrastive_realesrgan_pairs.yml': (
        {'network_g': {**RRDB, 'num_block': 1}, 'network_d': {'num_feat': 4}},
        32,
        ['l_g_pix', 'l_g_gan', 'l_intra_ccl', 'l_inter_ccl'],
    ),
}


def shrink(file: str, folder: Path) -> Path:
    """A file that inherits from a shipped one and makes everything small; with data of its own."""
    networks, crop, _ = SHRUNK[file]
    shutil.copy(ROOT / 'options' / file, folder)
    shipped = yaml.safe_load((folder / file).read_text())
    scale = shipped['scale']
    write_photos(folder / 'gt', 4, size=crop + 16)
    (folder / 'lq').mkdir()
    for path in (folder / 'gt').iterdir():
        image = cv2.imread(str(path))
        small = cv2.resize(image, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
        assert cv2.imwrite(str(folder / 'lq' / path.name), small)
    data = {'dataroot_gt': 'gt', 'dataroot_lq': 'lq'}
    loader = {'gt_size': crop, 'batch_size_per_gpu': 2, 'num_worker_per_gpu': 0, 'dataset_enlarge_ratio': 1}
    losses = shipped['train']['contrastive_opt']
    encoders = {
        name: {'encoder': VGG} for name, loss in losses.items() if isinstance(loss.get('encoder'), dict)
    }
    over: dict[str, Any] = {
        '_base_': file,
        'name': 'tiny',
        'num_gpu': 0,
        'datasets': {phase: data | (loader if phase == 'train' else {}) for phase in shipped['datasets']},
        **networks,
        'train': {'total_iter': 2, 'contrastive_opt': encoders},
        'logger': {'print_freq': 1, 'save_checkpoint_freq': 1, 'use_tb_logger': False},
    }
    if 'val' in shipped:
        over['val'] = {'val_freq': 2}
    (folder / 'tiny.yml').write_text(yaml.safe_dump(over))
    return folder / 'tiny.yml'


@pytest.mark.parametrize('file', SHRUNK)
def test_the_shipped_files_train(file: str, tmp_path: Path) -> None:
    plugin = ['--plugin', 'realesrgan'] if 'realesrgan' in file else []
    # Importing it here would put its models before BasicSR's of the same names, for all other tests.
    if plugin and find_spec('realesrgan') is None:
        pytest.skip('the package realesrgan is not installed')
    shrink(file, tmp_path)
    result = basicsr('train', '-opt', 'tiny.yml', *plugin, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    last = [line for line in result.stderr.splitlines() if 'iter:       2' in line][-1]
    for loss in SHRUNK[file][2]:
        assert f' {loss}: ' in last
    assert (tmp_path / 'experiments/tiny/models/net_g_latest.pth').is_file()
    assert (tmp_path / 'experiments/tiny/models/net_h_latest.pth').is_file() == ('rain800' in file)


def test_every_example_is_tested() -> None:
    assert sorted(path.name for path in (ROOT / 'options').glob('contrastive_*.yml')) == sorted(SHRUNK)


FOREIGN = """
import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import ARCH_REGISTRY, MODEL_REGISTRY


@ARCH_REGISTRY.register()
class TwoStageNet(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = torch.nn.Sequential(torch.nn.Conv2d(3, width, 3, padding=1), torch.nn.ReLU(True))
        self.stage1 = torch.nn.Conv2d(width, 3, 1)
        self.stage2 = torch.nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x):
        y = self.first(x)
        return [self.stage1(y) + x, self.stage2(y) + x] if self.training else self.stage2(y) + x


@MODEL_REGISTRY.register()
class TwoStageModel(SRModel):
    def optimize_parameters(self, current_iter):
        self.optimizer_g.zero_grad()
        predictions = self.net_g(self.lq)
        self.output = predictions[-1]
        loss = sum(self.cri_pix(p, self.gt) for p in predictions)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net_g.parameters(), 0.01)
        self.optimizer_g.step()
        self.log_dict = self.reduce_loss_dict({'l_stages': loss})
"""


def test_a_model_of_an_installed_plugin_is_built_upon(tmp_path: Path) -> None:
    """Found by its entry point; its loss is made of a list, its gradient is clipped before the step."""
    metadata = tmp_path / 'foreign-1.0.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text('Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n')
    (metadata / 'entry_points.txt').write_text('[basicsr.plugins]\nforeign = foreign\n')
    (tmp_path / 'foreign.py').write_text(FOREIGN)
    shrink('contrastive_srmodel_rain800.yml', tmp_path)
    network = 'network_g={_delete_: true, type: TwoStageNet, width: 4}'
    layers = 'train:contrastive_opt:lcl:layers=[first.0, stage1]'
    forced = ['base_model_type=TwoStageModel', network, layers]
    result = basicsr('train', '-opt', 'tiny.yml', '--force_yml', *forced, cwd=tmp_path, fresh=True)
    assert result.returncode == 0, result.stderr
    for loss in ('l_stages', 'l_intra_ccl', 'l_lcl'):
        assert f' {loss}: ' in result.stderr
    head = torch.load(tmp_path / 'experiments/tiny/models/net_h_latest.pth', weights_only=True)['params']
    assert head['mlps.first/0.0.weight'].shape == (256, 4)
    assert head['mlps.stage1.0.weight'].shape == (256, 3)


def test_an_interrupted_run_goes_on_with_its_heads(tmp_path: Path) -> None:
    """``--auto_resume`` takes weights and optimizer of the heads from where they were saved."""
    shrink('contrastive_srmodel_rain800.yml', tmp_path)
    cut = basicsr('train', '-opt', 'tiny.yml', '--force_yml', 'train:total_iter=1', cwd=tmp_path)
    assert cut.returncode == 0, cut.stderr
    models = tmp_path / 'experiments/tiny/models'
    saved = torch.load(models / 'net_h_1.pth', weights_only=True)['params']
    assert {key.split('.')[1] for key in saved} == {'body/2', 'body/8'}
    # A weight that no head is born with.
    marked = {key: torch.full_like(value, 0.25) for key, value in saved.items()}
    torch.save({'params': marked}, models / 'net_h_1.pth')
    # The state knows the files that were saved with it by their digests.
    path = tmp_path / 'experiments/tiny/training_states/1.state'
    state = torch.load(path, weights_only=True)
    state['networks']['net_h_1.pth'] = sha256_of(models / 'net_h_1.pth')
    torch.save(state, path)
    resumed = basicsr('train', '-opt', 'tiny.yml', '--auto_resume', cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert 'Resuming training from epoch: 0, iter: 1' in resumed.stderr
    ended = torch.load(models / 'net_h_2.pth', weights_only=True)['params']
    assert all((value - 0.25).abs().max() < 0.01 for value in ended.values())
    state = torch.load(tmp_path / 'experiments/tiny/training_states/2.state', weights_only=True)
    assert [int(next(iter(o['state'].values()))['step']) for o in state['optimizers']] == [2, 2]


def test_a_trained_generator_is_tested_by_the_base_model(tmp_path: Path) -> None:
    options = shrink('contrastive_swinir_x2.yml', tmp_path)
    assert basicsr('train', '-opt', 'tiny.yml', cwd=tmp_path).returncode == 0
    test = yaml.safe_load((tmp_path / 'contrastive_swinir_x2.yml').read_text())
    over = yaml.safe_load(options.read_text())
    test['network_g'] |= over['network_g']
    test |= {'name': 'tested', 'num_gpu': 0, 'datasets': {'test_1': {**test['datasets']['val']}}}
    test['datasets']['test_1'] |= {'dataroot_gt': 'gt', 'dataroot_lq': 'lq'}
    test['path'] = {
        'pretrain_network_g': 'experiments/tiny/models/net_g_latest.pth',
        'param_key_g': 'params_ema',
    }
    test['val'] = {'save_img': True, 'metrics': test['val']['metrics']}
    del test['train']
    (tmp_path / 'test.yml').write_text(yaml.safe_dump(test))
    result = basicsr('test', '-opt', 'test.yml', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert '# psnr: ' in result.stderr
    assert len(list((tmp_path / 'results/tested/visualization').rglob('*.png'))) == 4


@pytest.mark.parametrize(
    ('forced', 'message'),
    [
        (
            'train:contrastive_opt:lcl:layers=[bdoy.2]',
            'lcl.layers[0]: network_g (RRDBNet) has no module "bdoy.2". ',
        ),
        (
            'train:contrastive_opt:inter_ccl={type: InterCCLLoss, layers: [x]}',
            'inter_ccl: this loss compares',
        ),
        ('scale=2', 'train.contrastive_opt.lcl.encoder: net_g enlarges images (scale: 2)'),
        (
            'datasets:train:color=y',
            'intra_ccl.encoder: a frozen encoder takes RGB images, and datasets.train.color: y',
        ),
        (
            'base_model_type=SRMoodel',
            'base_model_type: there is no model "SRMoodel". Did you mean "SRModel"?',
        ),
        ('train:contrastive_opt:lcl:terms=[identity]', 'contrastive_opt.lcl.terms: unknown key "terms"'),
        (
            'train:contrastive_opt:lcl:encoder=net_d',
            'lcl.encoder: expected net_g or a map with "type:", got \'net_d\'',
        ),
        (
            'train:contrastive_opt={intra_ccl: ~, lcl: ~}',
            'train.contrastive_opt: this key is missing; it holds',
        ),
        ('train:contrastive_opt:lcl:layers=[body.1, body.1]', '"body.1" stands twice'),
    ],
)
def test_what_cannot_be_ends_the_run_before_anything_is_written(
    forced: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cclgan_plugin.cli.main import main

    shrink('contrastive_srmodel_rain800.yml', tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(['train', '-opt', 'tiny.yml', '--force_yml', forced]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert 'tiny.yml' in error or '--force_yml' in error or 'rain800' in error
    assert not (tmp_path / 'experiments').exists()


@pytest.mark.parametrize('loss', ['intra_ccl', 'lcl'])
def test_weights_of_an_encoder_are_looked_for_first_unless_the_loss_is_off(
    loss: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cclgan_plugin.cli.main import main
    from cclgan_plugin.options.check import check_options
    from cclgan_plugin.options.force import force_options
    from cclgan_plugin.options.inherit import load_options
    from cclgan_plugin.options.preflight_surroundings import check_encoders

    shrink('contrastive_srgan_x4.yml', tmp_path)
    monkeypatch.chdir(tmp_path)
    here = f'train:contrastive_opt:{loss}'
    missing = [f'{here}:encoder:weights=nowhere.pth']
    assert main(['train', '-opt', 'tiny.yml', '--force_yml', *missing]) == 2
    assert 'nowhere.pth' in capsys.readouterr().err
    assert not (tmp_path / 'experiments').exists()
    off = check_options(force_options(load_options('tiny.yml'), [*missing, f'{here}:loss_weight=0']))
    check_encoders(off | {'is_train': True})


def test_a_plugin_that_cannot_be_imported_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cclgan_plugin.cli.main import main

    shrink('contrastive_srmodel_rain800.yml', tmp_path)
    assert main(['train', '-opt', str(tmp_path / 'tiny.yml'), '--plugin', 'no_such_package']) == 2
    assert '--plugin no_such_package: cannot be imported: ModuleNotFoundError' in capsys.readouterr().err
