"""Names of weights without what wrappers have put before them, wherever weights are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cclgan_plugin.encoders.weights_file import read_tensors
from cclgan_plugin.inference.checkpoint import read_checkpoint
from cclgan_plugin.options.preflight_weights import read_shapes
from cclgan_plugin.weight_names import bare_names

WRAPPINGS = ['module.', '_orig_mod.', 'module._orig_mod.', '_orig_mod.module.']


@pytest.mark.parametrize('prefix', ['', *WRAPPINGS])
def test_prefixes_go(prefix: str) -> None:
    assert bare_names({f'{prefix}a.weight': 1, f'{prefix}module.bias': 2}) == {
        'a.weight': 1,
        'module.bias': 2,
    }


def test_compiled_parts_lose_theirs_and_a_part_called_module_keeps_its_name() -> None:
    assert bare_names({'a._orig_mod.weight': 1, 'module.b': 2}) == {'a.weight': 1, 'module.b': 2}
    assert bare_names({}) == {}


def test_it_is_what_compiling_does() -> None:
    net = nn.Sequential(nn.Linear(1, 1))
    compiled = torch.compile(net)
    assert set(compiled.state_dict()) != set(net.state_dict())
    assert set(bare_names(compiled.state_dict())) == set(net.state_dict())


@pytest.mark.parametrize('prefix', WRAPPINGS)
def test_every_reader_knows_them(prefix: str, tmp_path: Path) -> None:
    weights: dict[str, Tensor] = {f'{prefix}first.weight': torch.zeros(2, 3)}
    models = tmp_path / 'models'
    models.mkdir()
    (tmp_path / 'run.yml').write_text('network_g: {type: CCLGANGenerator}\n')
    file = models / 'net_g_latest.pth'
    torch.save({'params': weights}, file)
    assert read_shapes(file, 'params', 'path.pretrain_network_g') == {'first.weight': (2, 3)}
    assert list(read_checkpoint(file).tensors) == ['first.weight']
    assert list(read_tensors(file, 'params')) == ['first.weight']


def test_encoders_take_files_with_a_description(tmp_path: Path) -> None:
    file = tmp_path / 'net.safetensors'
    save_file({'first.weight': torch.zeros(2, 3), '_description': torch.zeros(8, dtype=torch.uint8)}, file)
    assert list(read_tensors(file, 'params')) == ['first.weight']
