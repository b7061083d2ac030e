"""A weights file gives its tensors or a message that says what it is; it never gets to run code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cclgan_plugin.encoders.weights_file import find_weights, read_tensors
from cclgan_plugin.errors import WeightsError

TENSORS = {'a.weight': torch.arange(6.0).view(2, 3), 'a.bias': torch.ones(2)}


def assert_tensors(found: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(TENSORS)
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


@pytest.mark.parametrize('content', [TENSORS, {'params': TENSORS}, {'params': TENSORS, 'params_ema': {}}])
def test_reads_what_torch_save_wrote(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / 'w.pth'
    torch.save(content, path)
    assert_tensors(read_tensors(path, key='params'))


def test_reads_the_old_form_of_torch_save(tmp_path: Path) -> None:
    path = tmp_path / 'w.pth'
    torch.save(TENSORS, path, _use_new_zipfile_serialization=False)
    assert_tensors(read_tensors(path, key='params'))


def test_reads_parameters_as_tensors(tmp_path: Path) -> None:
    path = tmp_path / 'w.pth'
    torch.save({name: nn.Parameter(tensor) for name, tensor in TENSORS.items()}, path)
    assert_tensors(read_tensors(path, key='params'))


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path,)


def script_archive(path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(path))


def numpy_archive(path: Path) -> None:
    with path.open('wb') as file:
        np.savez(file, a=np.ones(2))


@pytest.mark.filterwarnings('ignore:.*torch.jit.*', 'ignore:Detected pickle protocol')
@pytest.mark.parametrize(
    ('write', 'words'),
    [
        (script_archive, ['TorchScript', '.safetensors']),
        (lambda p: torch.save({'a': Bomb(p.parent / 'ran')}, p), ['mkdir', 'could run code']),
        (lambda p: p.write_bytes(pickle.dumps(Bomb(p.parent / 'ran'))), []),
        (lambda p: torch.save(nn.Linear(2, 2), p), ['torch.nn.modules.linear.Linear', 'state_dict']),
        (lambda p: torch.save([torch.ones(1)], p), ['named tensors', 'a list']),
        (lambda p: torch.save(torch.ones(1, 2), p), ['named tensors', 'a tensor (1, 2)']),
        (lambda p: torch.save({}, p), ['nothing']),
        (lambda p: torch.save({'params': {}}, p), ['nothing']),
        (lambda p: torch.save({'iter': 5, 'schedulers': []}, p), ['"iter"', 'a int']),
        (numpy_archive, ['numpy']),
        (lambda p: p.write_bytes(b''), ['damaged']),
        (lambda p: p.write_text('<html>404 not found</html>'), ['damaged']),
    ],
)
def test_other_kinds_of_file_are_named_and_run_nothing(tmp_path: Path, write: Any, words: list[str]) -> None:
    path = tmp_path / 'w.pth'
    write(path)
    with pytest.raises(WeightsError) as caught:
        read_tensors(path, key='params')
    for word in [str(path), *words]:
        assert word in str(caught.value)
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('name', ['w.pth', 'w.safetensors'])
def test_a_truncated_file_is_named(tmp_path: Path, name: str) -> None:
    from safetensors.torch import save_file

    path = tmp_path / name
    if name.endswith('.pth'):
        torch.save(TENSORS, path)
    else:
        save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsError, match=name):
        read_tensors(path, key='params')


def test_home_and_current_directory_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'w.pth').touch()
    monkeypatch.setenv('HOME', str(tmp_path))
    assert find_weights('~/w.pth', 'X', ('random',)) == tmp_path / 'w.pth'
    monkeypatch.chdir(tmp_path)
    assert find_weights('w.pth', 'X', ('random',)) == Path('w.pth')
