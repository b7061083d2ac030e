"""Taking features out of the middle of a network that knows nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from cclgan_plugin.encoders.frozen import FrozenTower
from cclgan_plugin.errors import OptionError, did_you_mean


class _AllCaptured(Exception):
    """Ends a forward pass whose remaining layers nobody needs."""


def require_layers(network: nn.Module, layers: Sequence[str], name: str) -> None:
    """Raise an :class:`OptionError` with the valid names unless ``network`` has all ``layers``."""
    known = [module for module, _ in network.named_modules() if module]
    for layer in layers:
        if layer not in known:
            raise OptionError(
                f'RegisteredEncoder: layers: {name} has no module "{layer}".{did_you_mean(layer, known)} '
                f'It has: {", ".join(known)}.'
            )


class HookedTower(FrozenTower):
    """Outputs of the modules ``layers`` of ``network``, in that order, for (N, 3, H, W) images in [0, 1].

    Raises, when called:
        OptionError: a layer does not run, gives no single tensor, or is overwritten by a later layer.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.layers = tuple(layers)
        for module in network.modules():
            # An in-place ReLU after a captured convolution would turn its output into the ReLU's.
            if getattr(module, 'inplace', False) is True:
                module.inplace = False  # type: ignore[assignment]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        captured: dict[str, Tensor] = {}
        versions: dict[str, int] = {}

        def capture(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
            if name in captured:
                return
            if not isinstance(output, Tensor):
                raise OptionError(
                    f'RegisteredEncoder: layers: "{name}" returns a {type(output).__name__}, not one tensor. '
                    'Name a module inside it.'
                )
            captured[name] = output
            versions[name] = 0 if output.is_inference() else output._version
            if len(captured) == len(self.layers):
                raise _AllCaptured

        # Hooked for this pass only: permanent hooks would hold the tower in a reference cycle.
        handles = [
            self.network.get_submodule(name).register_forward_hook(partial(capture, name))
            for name in self.layers
        ]
        try:
            self.network(images)
        except _AllCaptured:
            pass
        finally:
            for handle in handles:
                handle.remove()
        for name in self.layers:
            if name not in captured:
                raise OptionError(f'RegisteredEncoder: layers: "{name}" does not run when the network does.')
            if not captured[name].is_inference() and captured[name]._version != versions[name]:
                raise OptionError(
                    f'RegisteredEncoder: layers: a later layer overwrites the output of "{name}" in place. '
                    'Name that later layer instead.'
                )
        return tuple(captured[name] for name in self.layers)
