"""DDP on the CPU: ``device_ids`` asks CUDA for its current device. DDP sends buffers at every forward pass.

In every release: ``BaseModel.model_to_device``. Broadcasting buffers breaks networks that are run several
times in one step, as generators of GANs are. May go when BasicSR wraps by device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed']


def model_to_device(self: Any, net: nn.Module) -> nn.Module:
    """Move ``net`` to the model's device; wrap it for several processes, or for several GPUs of one.

    Returns:
        ``net`` itself, or ``net`` in DistributedDataParallel or DataParallel. A network without trainable
        parameters needs no exchange of gradients and is not wrapped.
    """
    net = net.to(self.device)
    if self.opt['dist']:
        if not any(parameter.requires_grad for parameter in net.parameters()):
            return net
        on_gpu = self.device.type == 'cuda'
        return DistributedDataParallel(
            net,
            device_ids=[torch.cuda.current_device()] if on_gpu else None,
            find_unused_parameters=self.opt.get('find_unused_parameters', False),
            broadcast_buffers=False,
        )
    if self.opt['num_gpu'] > 1:
        return DataParallel(net)
    return net


def apply() -> None:
    """Wrap the networks of every BasicSR model this way."""
    from basicsr.models.base_model import BaseModel

    replace_method(BaseModel, 'model_to_device', model_to_device)
