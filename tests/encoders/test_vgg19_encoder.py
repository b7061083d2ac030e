"""VGG19's features equal torchvision's, weights are read in the forms promised, others are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from cclgan_plugin.encoders import build_encoder
from cclgan_plugin.encoders import vgg19_encoder as module
from cclgan_plugin.errors import OptionError, WeightsError

IMAGES = torch.rand(2, 3, 36, 33, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
# Where torchvision's vgg19().features has the ReLUs.
RELUS = {'relu1_2': 3, 'relu2_2': 8, 'relu3_3': 15, 'relu4_4': 26, 'relu5_4': 35}


@pytest.fixture(scope='module')
def features() -> nn.Module:
    """torchvision's VGG19 without its half gigabyte of classifier, with random weights and biases."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs['E'])
        for layer in network:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.normal_(layer.bias, std=0.1)
    return network


def torchvision_features(features: nn.Module, images: Tensor) -> list[Tensor]:
    x = torchvision.transforms.functional.normalize(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    found = []
    for index, layer in enumerate(features.double()):
        x = layer(x)
        if index in RELUS.values():
            found.append(x.clone())
    return found


@pytest.mark.parametrize('form', ['without classifier', 'with classifier', 'features alone', 'safetensors'])
def test_local_weights_give_torchvisions_features(form: str, features: nn.Module, tmp_path: Path) -> None:
    state = {f'features.{name}': tensor.float() for name, tensor in features.state_dict().items()}
    path = tmp_path / ('vgg.safetensors' if form == 'safetensors' else 'vgg.pth')
    if form == 'safetensors':
        save_file(state, path)
    elif form == 'features alone':
        torch.save({name.removeprefix('features.'): tensor for name, tensor in state.items()}, path)
    elif form == 'with classifier':
        torch.save({**state, 'classifier.0.weight': torch.zeros(2, 2)}, path)
    else:
        torch.save(state, path)
    encoder = build_encoder({'type': 'VGG19Encoder', 'weights': str(path), 'layers': list(RELUS)})
    encoder.check()
    found = encoder(IMAGES)
    for expected, feature in zip(torchvision_features(features, IMAGES), found, strict=True):
        torch.testing.assert_close(feature, expected, rtol=1e-12, atol=1e-12)


def test_layers_come_in_the_order_asked_for_and_nothing_deeper_is_built() -> None:
    encoder = build_encoder({'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu2_1', 'relu1_1']})
    deep, shallow = encoder(IMAGES)
    assert deep.shape == (2, 128, 18, 16)
    assert shallow.shape == (2, 64, 36, 33)
    assert deep.min() == 0
    assert shallow.min() == 0
    (tower,) = encoder._towers.values()
    assert [name for name, _ in tower.named_children()] == ['normalise', 'conv1_1', 'conv1_2', 'conv2_1']


def test_random_weights_keep_the_size_of_the_activations() -> None:
    (feature,) = build_encoder({'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu5_4']})(IMAGES)
    assert 0.01 < feature.std() < 100


def test_layer_weights_default_to_one_each() -> None:
    encoder = build_encoder({'type': 'VGG19Encoder'})
    assert encoder.layers == ('relu1_2', 'relu2_2', 'relu3_3')
    assert encoder.layer_weights == (1.0, 1.0, 1.0)
    assert build_encoder({'type': 'VGG19Encoder', 'layer_weights': [1, 2, 0.5]}).layer_weights == (1, 2, 0.5)


def test_torchvision_weights_come_through_the_hub(
    features: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'vgg19-0.pth'
    torch.save({f'features.{name}': t for name, t in features.float().state_dict().items()}, path)
    monkeypatch.setattr(module, 'torchvision_vgg19_file', lambda: path)
    by_name = build_encoder({'type': 'VGG19Encoder'})(IMAGES)
    by_path = build_encoder({'type': 'VGG19Encoder', 'weights': str(path)})(IMAGES)
    assert all(torch.equal(a, b) for a, b in zip(by_name, by_path, strict=True))


def test_images_too_small_for_the_layer_are_refused() -> None:
    encoder = build_encoder({'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu3_1']})
    assert encoder(IMAGES[..., :4, :4])[0].shape == (2, 256, 1, 1)
    with pytest.raises(OptionError, match='relu3_1 needs images of at least 4 pixels a side, these are 4x3'):
        encoder(IMAGES[..., :4, :3])


@pytest.mark.parametrize('architecture', ['D', 'A'])
def test_another_vgg_is_refused_even_where_the_layers_asked_for_fit(
    architecture: str, tmp_path: Path
) -> None:
    path = tmp_path / 'vgg.pth'
    with torch.device('meta'):
        network = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs[architecture])
    torch.save({f'features.{n}': torch.zeros(t.shape) for n, t in network.state_dict().items()}, path)
    encoder = build_encoder({'type': 'VGG19Encoder', 'weights': str(path), 'layers': ['relu1_1']})
    with pytest.raises(WeightsError, match='not the weights of VGG19') as caught:
        encoder.check()
    assert str(path) in str(caught.value)


def test_a_classifier_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'vgg.pth'
    torch.save({'classifier.0.weight': torch.zeros(2, 2)}, path)
    with pytest.raises(WeightsError, match='classifier only'):
        build_encoder({'type': 'VGG19Encoder', 'weights': str(path)}).check()


def test_a_misspelt_keyword_is_named() -> None:
    with pytest.raises(WeightsError, match=r'"torchvison" is not a file.*Did you mean "torchvision"\?'):
        build_encoder({'type': 'VGG19Encoder', 'weights': 'torchvison'}).check()
