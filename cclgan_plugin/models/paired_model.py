"""BasicSR's SRModel with the modes of a step: half precision and channels-last memory.

    model_type: PairedModel
    train: {amp: bf16, channels_last: true}

The same networks, losses, logs and files as SRModel; what changes is how fast a step is. derain-small was
trained so on a GPU, and derain-small-free in less than half the time on a CPU that knows bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from cclgan_plugin.errors import OptionError
from cclgan_plugin.models.step_modes import StepModes
from cclgan_plugin.training.precision import Precision


@MODEL_REGISTRY.register()
class PairedModel(SRModel):
    """SRModel whose training step runs the network as ``train.amp`` and ``train.channels_last`` say.

    Losses, optimizer, weights and validation stay in float32.

    Raises:
        OptionError: ``train.amp`` is neither ``off`` nor ``bf16``, or ``train.channels_last`` no truth value.
    """

    modes = StepModes()
    lq: Tensor

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """SRModel's, of weights in the step's memory format: DDP lays out gradients by what it is given."""
        if self.is_train and self.opt['train'].get('channels_last') is True:
            net = net.to(memory_format=torch.channels_last)
        return super().model_to_device(net)

    def init_training_settings(self) -> None:
        """SRModel's, once the network is as the step wants it."""
        self.modes = _modes(self.opt['train'], self)
        self.modes.prepare(nn.ModuleDict({'g': self.get_bare_model(self.net_g)}))
        super().init_training_settings()

    def optimize_parameters(self, current_iter: int) -> None:
        """SRModel's, with the network under autocast."""
        with _running_in(self.modes, self.net_g):
            super().optimize_parameters(current_iter)

    def feed_data(self, data: dict[str, Any]) -> None:
        """A batch on the device; its inputs, and with them all activations, in the step's memory format."""
        super().feed_data(data)
        self.lq = self.modes.images(self.lq)


def _modes(train: dict[str, Any], model: SRModel) -> StepModes:
    amp, channels_last = train.get('amp', 'off') or 'off', train.get('channels_last', False)
    if amp == 'fp16':
        # Its scales would have to be in the training states, which are SRModel's own.
        raise OptionError('train.amp: PairedModel knows off and bf16, not fp16')
    if not isinstance(channels_last, bool):
        raise OptionError(f'train.channels_last: expected true or false, got {channels_last!r}')
    return StepModes(Precision(amp, model.device), channels_last)


@contextmanager
def _running_in(modes: StepModes, net: nn.Module) -> Iterator[None]:
    """Let a network learn under autocast; what it gives is float32.

    For the time of a step only: a copy of the network, and a file of it, would be bound to this one.
    """
    whole = net.forward

    def forward(x: Tensor) -> Tensor:
        with modes.autocast():
            return whole(x).float()

    net.forward = forward
    try:
        yield
    finally:
        del net.forward
