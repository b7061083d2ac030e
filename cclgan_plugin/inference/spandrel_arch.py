"""CCLGAN for spandrel, the library by which chaiNNer and others detect and load networks.

One call makes our files known to it::

    from cclgan_plugin.inference.spandrel_arch import register
    register()
    model = spandrel.ModelLoader().load_from_file('derain-small.safetensors')
"""

from __future__ import annotations

from typing import Any

from spandrel import (
    MAIN_REGISTRY,
    Architecture,
    ArchRegistry,
    ArchSupport,
    ImageModelDescriptor,
    SizeRequirements,
)

from cclgan_plugin.archs import CCLGANGenerator
from cclgan_plugin.errors import WeightsError
from cclgan_plugin.inference.built_network import build_network
from cclgan_plugin.inference.weights_file import NOTE, described_weights, read_note


class CCLGANArch(Architecture[CCLGANGenerator]):
    """Detected by the description that our files carry as a tensor, so that nothing has to be guessed."""

    def __init__(self) -> None:
        super().__init__(id='CCLGAN', name='CCLGAN', detect=_is_ours)

    def load(self, state_dict: Any) -> ImageModelDescriptor[CCLGANGenerator]:
        """A network ``(N, 3, H, W)`` to the same, in [0, 1], with the weights of ``state_dict``."""
        tensors = dict(state_dict)
        weights = described_weights(read_note(tensors.pop(NOTE)), tensors, 'the state dict')
        network = build_network(weights, 'the state dict')
        return ImageModelDescriptor(
            network,
            weights.tensors,
            architecture=self,
            purpose='Restoration',
            tags=[f'{key} {value}' for key, value in sorted(weights.options.items())],
            supports_half=False,
            supports_bfloat16=False,
            scale=1,
            input_channels=3,
            output_channels=3,
            size_requirements=SizeRequirements(minimum=1, multiple_of=1),
        )


def register(registry: ArchRegistry = MAIN_REGISTRY) -> None:
    """Add the architecture to a registry of spandrel's, unless it is there."""
    registry.add(ArchSupport.from_architecture(CCLGANArch()), ignore_duplicates=True)


def _is_ours(state_dict: Any) -> bool:
    if NOTE not in state_dict:
        return False
    try:
        return read_note(state_dict[NOTE]).get('arch') == CCLGANGenerator.__name__
    except WeightsError:
        return False
