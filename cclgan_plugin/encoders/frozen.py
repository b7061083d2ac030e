"""What all semantic encoders share: frozen, lazy, out of sight of optimizers, one network per need."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from cclgan_plugin.encoders.construction import undisturbed_construction

# Two losses with the same encoder share one network. Weak, so that the last encoder takes it along.
_shared: WeakValueDictionary[Hashable, FrozenTower] = WeakValueDictionary()
_building = threading.RLock()


class FrozenTower(nn.Module):
    """A network for features only: it stays in evaluation mode whatever its owner asks for.

    ``forward(images)`` takes (N, 3, H, W) RGB in [0, 1], does the network's own preprocessing and
    returns a tuple of features, one (N, ...) tensor per layer.
    """

    def train(self, mode: bool = True) -> FrozenTower:
        return super().train(False)


class SemanticEncoder(ABC):
    """A frozen feature extractor, called as ``encoder(images) -> tuple of features``.

    It is on purpose no ``nn.Module``: a loss or model that holds one does not find its weights in
    ``state_dict``, ``parameters``, DDP's buckets, EMA or ``.to()``. The network is built at the
    first call, on the device of the images. Copies and pickles carry the options, not the weights.

    Attributes:
        layers: name of each returned feature.
        layer_weights: how much each layer counts within this encoder, one number per layer.
        weight: how much this encoder counts among several.
    """

    def __init__(self, layers: tuple[str, ...], layer_weights: tuple[float, ...], weight: float) -> None:
        self.layers = layers
        self.layer_weights = layer_weights
        self.weight = weight
        self._towers: dict[tuple[torch.device, torch.dtype, torch.dtype], FrozenTower] = {}

    @abstractmethod
    def check(self) -> None:
        """Fail now rather than in the first iteration: are the weights there, and do they fit?

        A local file is opened and the names and shapes of its tensors are compared with the network;
        weights from a hub are downloaded unless they are cached.

        Raises:
            WeightsError: the weights are missing, unreadable, or belong to another network.
            OptionError: an option that can only be judged now, such as a model's name, is wrong.
        """

    @abstractmethod
    def identity(self) -> Hashable:
        """Equal for two encoders exactly when they may share one network."""

    @abstractmethod
    def build(self, dtype: torch.dtype) -> FrozenTower:
        """The network with its weights, on the CPU, in ``dtype``. Raises as :meth:`check` does."""

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Features of ``images``, with gradient to the images and to nothing else.

        The network has float64 weights for float64 images and float32 weights for all others. Under
        autocast its convolutions and matrix products run in the lower precision; the images are
        resized and normalised, and the features handed out, in float32 all the same.

        Args:
            images: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            One tensor (N, ...) per entry of :attr:`layers`, float64 for float64 images, else float32.

        Raises:
            ValueError: the images have another shape or are not floating point.
            WeightsError, OptionError: at the first call, as :meth:`check` does.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ValueError(
                f'expected floating-point images (N, 3, H, W), got {images.dtype} {tuple(images.shape)}'
            )
        dtype = torch.float64 if images.dtype == torch.float64 else torch.float32
        kind = images.device.type
        products = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else dtype
        key = images.device, dtype, products if dtype == torch.float32 else dtype
        tower = self._towers.get(key)
        if tower is None:
            tower = self._towers[key] = self._obtain(*key)
        return tuple(feature.to(dtype) for feature in tower(images.to(dtype)))

    def _obtain(self, device: torch.device, dtype: torch.dtype, products: torch.dtype) -> FrozenTower:
        with _building:
            key = (self.identity(), device, dtype, products)
            tower = _shared.get(key)
            if tower is None:
                with undisturbed_construction():
                    tower = self.build(dtype).to(dtype).to(device)  # not every device has float64
                    tower.requires_grad_(False).eval()
                    _lower_products(tower, products)
                _shared[key] = tower
            return tower

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_towers': {}}


def _lower_products(tower: nn.Module, dtype: torch.dtype) -> None:
    """Round the weights of products once. Autocast rounds frozen ones anew at every call."""
    for module in tower.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)
        elif isinstance(module, nn.MultiheadAttention):
            for weight in (module.in_proj_weight, module.in_proj_bias):
                if weight is not None:
                    weight.data = weight.data.to(dtype)
