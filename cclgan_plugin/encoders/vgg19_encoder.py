"""VGG19 features, trained on ImageNet."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from cclgan_plugin.encoders import vgg19_npz
from cclgan_plugin.encoders.construction import warn_of_random_weights
from cclgan_plugin.encoders.frozen import SemanticEncoder
from cclgan_plugin.encoders.hub import torchvision_vgg19_file
from cclgan_plugin.encoders.option_values import read_layer_weights, read_layers, read_weight, read_word
from cclgan_plugin.encoders.registry import ENCODERS
from cclgan_plugin.encoders.vgg19_tower import BLOCKS, LAYERS, VGG19Tower, expected_shapes
from cclgan_plugin.encoders.weights_file import file_identity, find_weights, read_tensors
from cclgan_plugin.encoders.weights_fit import require_fit
from cclgan_plugin.errors import OptionError, WeightsError, did_you_mean

# Of torchvision's weights, for RGB in [0, 1].
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


@ENCODERS.register_module()
class VGG19Encoder(SemanticEncoder):
    """Rectified convolutional features of VGG19, (N, C, H / 2^b, W / 2^b) per layer.

    Args:
        weights: ``torchvision`` (its ImageNet weights, downloaded once, 548 MB); or a file: torchvision's
            ``.pth`` with or without the classifier, the same as ``.safetensors``, or an 8-bit ``.npz``
            (see :mod:`cclgan_plugin.encoders.vgg19_npz`), each with the preprocessing it was trained
            with; or ``random``, for tests and demonstrations.
        layers: names from ``relu1_1`` to ``relu5_4``; nothing below the deepest is computed.
        layer_weights: one number per layer; by default 1 each.
        weight: of this encoder among several.

    Raises:
        OptionError: an option is of the wrong type, or there is no such layer.
    """

    def __init__(
        self,
        *,
        weights: str = 'torchvision',
        layers: Sequence[str] = ('relu1_2', 'relu2_2', 'relu3_3'),
        layer_weights: Sequence[float] | None = None,
        weight: float = 1.0,
    ) -> None:
        names = read_layers(layers, 'VGG19Encoder: layers')
        for name in names:
            if name not in LAYERS:
                raise OptionError(
                    f'VGG19Encoder: layers: there is no "{name}".{did_you_mean(name, LAYERS)} '
                    f'VGG19 has: {", ".join(LAYERS)}.'
                )
        numbers = read_layer_weights(layer_weights, names, 'VGG19Encoder: layer_weights')
        super().__init__(names, numbers, read_weight(weight, 'VGG19Encoder: weight'))
        self.weights = read_word(weights, 'VGG19Encoder: weights')

    def check(self) -> None:
        if self.weights == 'random':
            warn_of_random_weights('VGG19Encoder')
        else:
            self._read(self._file())

    def identity(self) -> Hashable:
        source = 'random' if self.weights == 'random' else file_identity(self._file())
        return 'VGG19Encoder', source, self.layers

    def build(self, dtype: torch.dtype) -> VGG19Tower:
        if self.weights == 'random':
            warn_of_random_weights('VGG19Encoder')
            return VGG19Tower(self.layers, _MEAN, _STD).to(dtype)
        path = self._file()
        mean, std = (vgg19_npz.MEAN, vgg19_npz.STD) if path.suffix == '.npz' else (_MEAN, _STD)
        tower = VGG19Tower(self.layers, mean, std).to(dtype)
        tensors = self._read(path)
        tower.load_state_dict({name: tensors[name] for name in tower.state_dict()})
        return tower

    def _file(self) -> Path:
        if self.weights == 'torchvision':
            return torchvision_vgg19_file()
        return find_weights(self.weights, 'VGG19Encoder', ('torchvision', 'random'))

    def _read(self, path: Path) -> dict[str, Tensor]:
        """All 16 convolutions: down to relu3_3 the file of a VGG16 would fit as well."""
        if path.suffix == '.npz':
            tensors = vgg19_npz.read_quantised_vgg19(path)
        else:
            tensors = _from_torchvision(read_tensors(path, key='state_dict'), path)
        require_fit(tensors, expected_shapes(), path, 'VGG19')
        return tensors


def _from_torchvision(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """``features.0.weight`` (or ``0.weight``, of ``vgg19().features`` alone) becomes ``conv1_1.weight``."""
    names: dict[str, str] = {}
    position = 0
    for block, (count, _) in enumerate(BLOCKS, start=1):
        for index in range(1, count + 1):
            names[str(position)] = f'conv{block}_{index}'
            position += 2  # each convolution is followed by its ReLU
        position += 1  # each block by its pooling
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.startswith('classifier.'):
            continue
        number, _, part = name.removeprefix('features.').partition('.')
        renamed[f'{names[number]}.{part}' if number in names else name] = tensor
    if not renamed:
        raise WeightsError(f"{path}: the file holds a classifier only, VGG19's convolutions are missing.")
    return renamed
