"""Networks with random but lively weights: untrained ones hardly change a picture."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cclgan_plugin.archs import CCLGANGenerator
from cclgan_plugin.inference.weights_file import NetworkWeights, write_weights


def lively(network: nn.Module, seed: int = 0) -> nn.Module:
    """Fill with weights that keep the size of what passes through, and that move every feature."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in network.parameters():
            fan = tensor[0].numel() if tensor.ndim > 1 else 1
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / fan) ** 0.5 * 0.7)
    return network.eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def _no_frames_are_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Frames that a test has converted have threads, for which a forked process that frees them waits."""
    yield
    if 'video' in request.module.__name__:
        gc.collect()


@pytest.fixture
def make_network() -> Callable[..., nn.Module]:
    def make(**options: Any) -> nn.Module:
        return lively(CCLGANGenerator(**{'width': 4, 'num_blocks': 2, 'residual': True, **options}))

    return make


@pytest.fixture
def weights_file(tmp_path: Path, make_network: Callable[..., nn.Module]) -> Path:
    """A small residual generator in a file."""
    options = {'width': 4, 'num_blocks': 1, 'residual': True}
    file = tmp_path / 'weights' / 'small.safetensors'
    network = make_network(**options)
    write_weights(file, NetworkWeights('CCLGANGenerator', options, network.state_dict()))
    return file
