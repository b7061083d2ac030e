"""Features of any network that BasicSR knows by name."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cclgan_plugin.encoders.construction import undisturbed_construction, warn_of_random_weights
from cclgan_plugin.encoders.frozen import SemanticEncoder
from cclgan_plugin.encoders.hooked_tower import HookedTower, require_layers
from cclgan_plugin.encoders.keywords import check_keywords
from cclgan_plugin.encoders.option_values import read_layer_weights, read_layers, read_weight, read_word
from cclgan_plugin.encoders.registry import ENCODERS
from cclgan_plugin.encoders.weights_file import file_identity, find_weights, read_tensors
from cclgan_plugin.encoders.weights_fit import require_fit, shapes_of
from cclgan_plugin.errors import OptionError, did_you_mean


@ENCODERS.register_module()
class RegisteredEncoder(SemanticEncoder):
    """Outputs of named modules inside any network of BasicSR's ``ARCH_REGISTRY``.

    The network gets the images as they are, RGB in [0, 1], and must run on them by itself.

    Args:
        network: as ``network_g`` in an options file: ``{'type': 'MSRResNet', 'num_feat': 64, ...}``.
        weights: a file, ``.safetensors`` or of ``torch.save``; or ``random``, for tests and demonstrations.
        layers: names of modules, as ``named_modules()`` spells them; nothing after the last is computed.
            Of a module that runs several times, the first output counts.
        param_key: where the weights lie in BasicSR's checkpoints: ``params`` or ``params_ema``. A file
            that holds nothing but tensors is taken as it is.
        layer_weights: one number per layer; by default 1 each.
        weight: of this encoder among several.

    Raises:
        OptionError: an option is of the wrong type. An unknown network or layer is reported by :meth:`check`.
    """

    def __init__(
        self,
        *,
        network: Mapping[str, Any],
        weights: str,
        layers: Sequence[str],
        param_key: str = 'params',
        layer_weights: Sequence[float] | None = None,
        weight: float = 1.0,
    ) -> None:
        names = read_layers(layers, 'RegisteredEncoder: layers')
        numbers = read_layer_weights(layer_weights, names, 'RegisteredEncoder: layer_weights')
        super().__init__(names, numbers, read_weight(weight, 'RegisteredEncoder: weight'))
        if not isinstance(network, Mapping) or not isinstance(network.get('type'), str):
            raise OptionError(
                'RegisteredEncoder: network: expected a "type" and the options of that network, '
                f'got {network!r}.'
            )
        self.network = dict(network)
        self.weights = read_word(weights, 'RegisteredEncoder: weights')
        self.param_key = read_word(param_key, 'RegisteredEncoder: param_key')

    def check(self) -> None:
        # Built for good: networks of unknown make need not survive construction on the meta device.
        with undisturbed_construction():
            self.build(torch.float32)

    def identity(self) -> Hashable:
        source = 'random' if self.weights == 'random' else (*file_identity(self._file()), self.param_key)
        options = json.dumps(self.network, sort_keys=True, default=repr)
        return 'RegisteredEncoder', options, source, self.layers

    def build(self, dtype: torch.dtype) -> HookedTower:
        name = self.network['type']
        network = self._network()
        require_layers(network, self.layers, name)
        network.to(dtype)
        if self.weights == 'random':
            warn_of_random_weights(f'RegisteredEncoder ({name})')
        else:
            path = self._file()
            tensors = read_tensors(path, key=self.param_key)
            require_fit(tensors, shapes_of(network), path, name)
            network.load_state_dict(tensors)
        return HookedTower(network, self.layers)

    def _network(self) -> nn.Module:
        import basicsr.archs  # noqa: F401  (registers BasicSR's own networks)
        from basicsr.utils.registry import ARCH_REGISTRY

        options = dict(self.network)
        name = options.pop('type')
        known = sorted(ARCH_REGISTRY.keys())
        if name not in ARCH_REGISTRY:
            raise OptionError(
                f'RegisteredEncoder: network: unknown type "{name}".{did_you_mean(name, known)} Known types: '
                f'{", ".join(known)}.'
            )
        make = ARCH_REGISTRY.get(name)
        check_keywords(make, options, f'RegisteredEncoder: network {name}')
        network: nn.Module = make(**options)
        return network

    def _file(self) -> Path:
        return find_weights(self.weights, 'RegisteredEncoder', ('random',))
