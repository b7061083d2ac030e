"""The device of a model: what is asked for if it is there, else a clear refusal."""

from __future__ import annotations

import pytest
import torch
from basicsr.models.base_model import BaseModel

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import device_choice, experiment_folders


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without any GPU, to which a test may add some."""
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: False)
    return monkeypatch


def base_model(num_gpu: object) -> BaseModel:
    return BaseModel({'num_gpu': num_gpu, 'is_train': False})


def test_a_gpu_that_is_not_there_is_refused_by_its_option(machine: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r'num_gpu: 1 GPU\(s\) are asked for and torch sees 0.*num_gpu: 0'):
        base_model(1)


def test_without_the_mend_cuda_is_taken_for_granted(machine: pytest.MonkeyPatch) -> None:
    model = BaseModel.__new__(BaseModel)
    BaseModel.__init__.unmended(model, {'num_gpu': 1, 'is_train': False})
    assert model.device.type == 'cuda'


@pytest.mark.parametrize('num_gpu', [0, 'auto'])
def test_a_machine_without_gpu_uses_its_cpu(machine: pytest.MonkeyPatch, num_gpu: object) -> None:
    assert base_model(num_gpu).device == torch.device('cpu')


@pytest.mark.parametrize('num_gpu', [1, 'auto'])
def test_cuda_and_apple_gpus_are_used(machine: pytest.MonkeyPatch, num_gpu: object) -> None:
    machine.setattr(torch.backends.mps, 'is_available', lambda: True)
    assert base_model(num_gpu).device == torch.device('mps')
    machine.setattr(torch.cuda, 'is_available', lambda: True)
    machine.setattr(torch.cuda, 'device_count', lambda: 2)
    assert base_model(num_gpu).device == torch.device('cuda')
    assert device_choice.available_gpus() == 2


@pytest.mark.parametrize('num_gpu', [-1, 'all', 1.5, True, None])
def test_num_gpu_is_a_number_or_auto(num_gpu: object) -> None:
    with pytest.raises(OptionError, match='num_gpu: a number >= 0 or auto is expected'):
        device_choice.check_num_gpu({'num_gpu': num_gpu})


def test_num_gpu_is_checked_before_any_folder_is_made() -> None:
    assert experiment_folders.before_create.count(device_choice.check_num_gpu) == 1
