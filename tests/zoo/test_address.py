"""``cclgan://NAME`` in BasicSR, in mmengine and in options files."""

from __future__ import annotations

import hashlib

import pytest
import torch
import yaml
from basicsr.models.base_model import BaseModel
from tiny_run import basicsr, write_data, write_options

from cclgan_plugin.archs import CCLGANGenerator
from cclgan_plugin.errors import WeightsError
from cclgan_plugin.inference.weights_file import NetworkWeights, write_weights

OPTIONS = {'width': 4, 'num_blocks': 1, 'residual': True}


@pytest.fixture
def near(tmp_path, monkeypatch):
    """An index of one model that lies beside it."""
    network = CCLGANGenerator(**OPTIONS)
    file = tmp_path / 'zoo/weights/near.safetensors'
    write_weights(file, NetworkWeights('CCLGANGenerator', OPTIONS, network.state_dict()))
    entry = {
        'name': 'near',
        'summary': 'near',
        'task': 'deraining',
        'training_data': 'none',
        'package': 'weights/near.safetensors',
        'size': file.stat().st_size,
        'sha256': hashlib.sha256(file.read_bytes()).hexdigest(),
        'licence': 'none',
    }
    index = tmp_path / 'zoo/index.yml'
    index.write_text(yaml.safe_dump({'default': 'near', 'models': [entry]}))
    monkeypatch.setenv('CCLGAN_ZOO_INDEX', str(index))
    return network


def equal(found, expected):
    torch.testing.assert_close(dict(found), dict(expected), rtol=0, atol=0)


@pytest.mark.parametrize('param_key', ['params', 'params_ema', None])
def test_any_model_of_basicsr_loads_it(near, param_key):
    model = BaseModel({'num_gpu': 0, 'is_train': False})
    network = CCLGANGenerator(**OPTIONS)
    model.load_network(network, 'cclgan://near', strict=True, param_key=param_key)
    equal(network.state_dict(), near.state_dict())


def test_mmengine_loads_it(near):
    from mmengine.runner.checkpoint import CheckpointLoader, load_checkpoint

    found = CheckpointLoader.load_checkpoint('cclgan://near', map_location='cpu', logger=None)
    equal(found['state_dict'], near.state_dict())
    assert found['meta']['arch'] == 'CCLGANGenerator'
    network = CCLGANGenerator(**OPTIONS)
    load_checkpoint(network, 'cclgan://near', strict=True)
    equal(network.state_dict(), near.state_dict())


def test_a_wrong_name_is_an_error_with_a_hint(near):
    with pytest.raises(WeightsError, match=r'no "nera".* Did you mean "near"'):
        BaseModel({'num_gpu': 0, 'is_train': False}).load_network(CCLGANGenerator(**OPTIONS), 'cclgan://nera')


def test_a_damaged_file_of_the_package_is_never_used(near, tmp_path):
    file = tmp_path / 'zoo/weights/near.safetensors'
    file.write_bytes(file.read_bytes()[:-1] + b'?')
    with pytest.raises(WeightsError, match='is damaged; install cclgan-plugin again'):
        BaseModel({'num_gpu': 0, 'is_train': False}).load_network(CCLGANGenerator(**OPTIONS), 'cclgan://near')


def test_a_test_run_takes_it_and_refuses_another_architecture(near, tmp_path):
    write_data(tmp_path / 'data')
    pairs = {
        'name': 'pairs',
        'type': 'PairedImageDataset',
        'dataroot_lq': 'data/val/rainy',
        'dataroot_gt': 'data/val/clean',
        'io_backend': {'type': 'disk'},
    }
    options = {
        'datasets': {'test_1': pairs},
        'train': None,
        'path': {'pretrain_network_g': 'cclgan://near'},
        'val__val_freq': None,
        'val__save_img': True,
    }
    unwanted = {f'network_{name}': None for name in ('g_rain', 'd', 'd_rain', 'h', 'h_rain')}
    write_options(tmp_path, **options, **unwanted)
    done = basicsr('test', '-opt', 'tiny.yml', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'Loading CCLGANGenerator from cclgan://near' in done.stderr + done.stdout
    write_options(tmp_path, **options, **unwanted, network_g__width=8)
    done = basicsr('test', '-opt', 'tiny.yml', cwd=tmp_path)
    assert done.returncode == 2
    assert 'path.pretrain_network_g: cclgan://near was made for another architecture' in done.stderr
    assert not done.stderr.count('Traceback')
