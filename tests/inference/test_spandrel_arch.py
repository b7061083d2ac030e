"""spandrel detects and loads our files."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from cclgan_plugin.inference import Derainer

spandrel = pytest.importorskip('spandrel')


@pytest.fixture
def loader():
    from cclgan_plugin.inference.spandrel_arch import register

    registry = spandrel.MAIN_REGISTRY.copy()
    register(registry)
    register(registry)  # twice does no harm
    return spandrel.ModelLoader('cpu', registry)


def test_a_file_is_detected_described_and_gives_the_same_picture(loader, weights_file):
    model = loader.load_from_file(weights_file)
    assert model.architecture.id == 'CCLGAN'
    assert (model.purpose, model.scale, model.input_channels, model.output_channels) == (
        'Restoration',
        1,
        3,
        3,
    )
    assert (model.size_requirements.minimum, model.size_requirements.multiple_of) == (1, 1)
    x = torch.rand(1, 3, 30, 45)
    expected = Derainer.from_pretrained(weights_file, device='cpu')(x)
    torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-6)


def test_other_files_are_not_ours(loader, tmp_path):
    note = torch.zeros(8, dtype=torch.uint8)
    save_file({'stem.conv.weight': torch.zeros(4, 3, 7, 7), '_description': note}, tmp_path / 'a.safetensors')
    with pytest.raises(spandrel.UnsupportedModelError):
        loader.load_from_file(tmp_path / 'a.safetensors')
