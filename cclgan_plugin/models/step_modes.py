"""How a training step is computed, as against what: precision, memory format, compilation, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cclgan_plugin.archs import CCLGANGenerator
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
        cuda_graphs: record the compiled networks' kernels once and replay them, on a CUDA device. What the
            networks then return, images, features and gradients, is valid until the next :meth:`begin`.
    """

    precision: Precision | None = None
    channels_last: bool = False
    batch_identity: bool = False
    checkpointing: bool = False
    compile: bool = False
    compile_backend: str = 'inductor'
    cuda_graphs: bool = False

    def begin(self) -> None:
        """Say that an iteration begins: what the networks returned in the one before is no longer read."""
        if self.cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()

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
        """Compile losses in place. Without graphs: their values are logged in later iterations."""
        for loss in losses:
            if loss is not None and self.compile:
                loss.forward = self._compiled(loss.forward)

    def _compile(self, net: nn.Module) -> None:
        for name in ENTRANCES:
            if hasattr(net, name):
                setattr(net, name, self._compiled(getattr(net, name), graphs=self.cuda_graphs))

    def _compiled(self, function: Callable[..., Any], graphs: bool = False) -> Callable[..., Any]:
        # One method is compiled for each set of levels, batch size and kind of input, of each network.
        torch._dynamo.config.cache_size_limit = max(torch._dynamo.config.cache_size_limit, 64)
        mode = 'reduce-overhead' if graphs else None
        return torch.compile(function, dynamic=False, backend=self.compile_backend, mode=mode)

    def images(self, x: Tensor) -> Tensor:
        """Images in the memory format of the step."""
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def autocast(self) -> AbstractContextManager[object]:
        """The context of forward passes and losses."""
        return self.precision.autocast() if self.precision else nullcontext()
