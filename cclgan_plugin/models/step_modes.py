"""How a training step is computed, as against what: precision, memory format, compilation, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cclgan_plugin.archs import CCLGANGenerator
from cclgan_plugin.models.lanes import Lanes
from cclgan_plugin.training.precision import Precision

#: Methods through which the step enters the networks. ``forward`` is not among them: validation takes it,
#: with images of every size, each of which would be compiled for.
ENTRANCES = ('forward_features', 'encode', 'features_at')


def joins_identity(device: torch.device, channels_last: bool) -> bool:
    """Whether translation and identity of one generator are faster in one batch (``benchmarks/step.py``)."""
    return device.type != 'cpu' or channels_last


@dataclass(frozen=True)
class StepModes:
    """The options of a step that change its speed and memory; none of them changes its mathematics.

    Attributes:
        precision: of forward passes and losses (option ``amp``).
        channels_last: images, and with them all activations, in channels-last memory format.
        batch_identity: translate an image and the other generator's identity image in one batch. Halves the
            kernel launches; on the CPU it is slower.
        checkpointing: recompute the generators' activations on the way back instead of holding them.
        compile: the networks' passes and the contrastive losses through ``torch.compile``.
        compile_backend: who compiles them.
        lanes: where independent pieces of the step run; side by side they pay off in recorded steps.
    """

    precision: Precision | None = None
    channels_last: bool = False
    batch_identity: bool = False
    checkpointing: bool = False
    compile: bool = False
    compile_backend: str = 'inductor'
    lanes: Lanes = field(default_factory=Lanes)

    def prepare(self, nets: nn.ModuleDict) -> None:
        """Change the networks in place, once. Names, values and order of their weights stay."""
        for net in nets.values():
            if self.channels_last:
                net.to(memory_format=torch.channels_last)
            if isinstance(net, CCLGANGenerator):
                net.checkpointing = self.checkpointing
            if self.compile:
                self._compile(net)

    def prepare_losses(self, losses: Iterable[nn.Module | None]) -> None:
        """Compile losses in place."""
        for loss in losses:
            if loss is not None and self.compile:
                loss.forward = self._compiled(loss.forward)

    def _compile(self, net: nn.Module) -> None:
        for name in ENTRANCES:
            if hasattr(net, name):
                setattr(net, name, self._compiled(getattr(net, name)))

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        # One method is compiled for each set of levels, batch size and kind of input, of each network.
        torch._dynamo.config.cache_size_limit = max(torch._dynamo.config.cache_size_limit, 64)
        return torch.compile(function, dynamic=False, backend=self.compile_backend)

    def images(self, x: Tensor) -> Tensor:
        """Images in the memory format of the step."""
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def autocast(self) -> AbstractContextManager[object]:
        """The context of forward passes and losses."""
        return self.precision.autocast() if self.precision else nullcontext()
