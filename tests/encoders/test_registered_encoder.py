"""Any network BasicSR knows by name gives features at named modules, and mistakes are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cclgan_plugin.encoders import build_encoder
from cclgan_plugin.errors import OptionError, WeightsError

IMAGES = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(0))
NAME = 'CCLGANTestTinyNet'


class TinyNet(nn.Module):
    """Convolution, in-place ReLU, convolution overwritten by hand, one more; and what must not be hooked."""

    def __init__(self, width: int = 4, dropout: float = 0.5) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.third = nn.Conv2d(width, width, 1)
        self.pair = nn.LSTM(width, 2)
        self.idle = nn.Identity()
        self.runs_after_third = 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))
        x = self.second(x)
        x += 1
        x = self.third(self.dropout(self.norm(x)))
        self.runs_after_third += 1
        return self.pair(x.flatten(2)[0].T)[0]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    from basicsr.utils.registry import ARCH_REGISTRY

    ARCH_REGISTRY._obj_map[NAME] = TinyNet
    yield
    del ARCH_REGISTRY._obj_map[NAME]


def options(**more: Any) -> dict[str, Any]:
    network = {'type': NAME, 'width': 4}
    return {'type': 'RegisteredEncoder', 'network': network, 'weights': 'random', 'layers': ['third'], **more}


@pytest.fixture
def network() -> TinyNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = TinyNet()
        network.norm.running_mean.normal_()
        return network.eval()


@pytest.mark.parametrize(
    ('wrap', 'param_key'),
    [
        (lambda state: {'params': state}, 'params'),
        (lambda state: {'params': {}, 'params_ema': state}, 'params_ema'),
        (lambda state: {'params': {f'module.{name}': t for name, t in state.items()}}, 'params'),
        (lambda state: state, 'params'),
    ],
)
def test_checkpoint_gives_the_features_of_the_network(
    wrap: Any, param_key: str, network: TinyNet, tmp_path: Path
) -> None:
    path = tmp_path / 'tiny.pth'
    torch.save(wrap(network.state_dict()), path)
    encoder = build_encoder(
        options(weights=str(path), param_key=param_key, layers=['third', 'relu', 'first'])
    )
    encoder.check()
    third, relu, first = encoder(IMAGES)
    expected = network.first(IMAGES)
    assert torch.equal(first, expected)  # although the network's ReLU works in place
    assert torch.equal(relu, expected.relu())
    assert torch.equal(third, network.third(network.norm(network.second(expected.relu()) + 1)))


def test_gradient_flows_and_dropout_and_batch_norm_are_still() -> None:
    encoder = build_encoder(options())
    images = IMAGES.clone().requires_grad_()
    (feature,) = encoder(images)
    assert torch.equal(feature, encoder(IMAGES)[0])
    torch.testing.assert_close(feature[:1], encoder(IMAGES[:1])[0])
    feature.square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0


def test_nothing_after_the_last_layer_is_computed_and_no_hook_stays_behind() -> None:
    encoder = build_encoder(options())
    encoder(IMAGES)
    (tower,) = encoder._towers.values()
    assert tower.network.runs_after_third == 0
    assert not any(module._forward_hooks for module in tower.modules())


def test_a_network_of_basicsr_itself() -> None:
    network = {'type': 'MSRResNet', 'num_feat': 4, 'num_block': 2, 'upscale': 4}
    encoder = build_encoder(options(network=network, layers=['conv_first', 'body.1'], layer_weights=[0.5, 2]))
    encoder.check()
    assert [feature.shape for feature in encoder(IMAGES)] == [(2, 4, 12, 10), (2, 4, 12, 10)]
    assert encoder.layer_weights == (0.5, 2.0)


@pytest.mark.parametrize(
    ('more', 'words'),
    [
        ({'network': {'type': 'CCLGANTestTinyNt'}}, ['unknown type', f'Did you mean "{NAME}"?', 'MSRResNet']),
        ({'network': {'type': NAME, 'witdh': 4}}, ['"witdh"', 'Did you mean "width"?']),
        ({'layers': ['thrd']}, [f'{NAME} has no module "thrd"', 'Did you mean "third"?', 'dropout', 'pair']),
    ],
)
def test_early_check_names_the_mistake(more: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        build_encoder(options(**more)).check()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ('layer', 'words'),
    [('idle', '"idle" does not run'), ('pair', 'returns a tuple'), ('second', 'overwrites the output')],
)
def test_layers_that_give_no_feature_are_named_at_the_first_call(layer: str, words: str) -> None:
    encoder = build_encoder(options(layers=[layer, 'third'] if layer == 'second' else [layer]))
    with pytest.raises(OptionError, match=words):
        encoder(IMAGES)


def test_a_missing_param_key_is_named_with_those_there_are(network: TinyNet, tmp_path: Path) -> None:
    path = tmp_path / 'tiny.pth'
    torch.save({'params': network.state_dict()}, path)
    with pytest.raises(WeightsError, match='under the key "params_ema", the file has: params'):
        build_encoder(options(weights=str(path), param_key='params_ema')).check()


def test_weights_of_another_width_are_refused(network: TinyNet, tmp_path: Path) -> None:
    path = tmp_path / 'tiny.pth'
    torch.save({'params': network.state_dict()}, path)
    with pytest.raises(WeightsError, match=r'is \(4, 3, 3, 3\) instead of \(6, 3, 3, 3\)'):
        build_encoder(options(weights=str(path), network={'type': NAME, 'width': 6})).check()
