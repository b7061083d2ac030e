"""RealESRNetModel and RealESRGANModel on the CPU: ``AssertionError: Torch not compiled with CUDA enabled``.

In every release: what degrades the images, and the pool of training pairs, go ``.cuda()`` whatever the
model's device. May go when they go where the model is.
"""

from __future__ import annotations

from typing import Any

import torch
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.utils import DiffJPEG, USMSharp
from torch import nn

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace_method

__all__ = ['apply', 'needed']


def cuda(self: nn.Module, device: Any = None) -> nn.Module:
    """To a GPU, where there is one; the packages built on BasicSR call this too."""
    return nn.Module.cuda(self, device) if torch.cuda.is_available() else self


def _mend(model: type) -> None:
    def __init__(self: Any, opt: dict[str, Any]) -> None:
        """As before, and then to the device of the model."""
        __init__.unmended(self, opt)  # type: ignore[attr-defined]
        self.jpeger, self.usm_sharpener = (part.to(self.device) for part in (self.jpeger, self.usm_sharpener))

    def _dequeue_and_enqueue(self: Any) -> None:
        """As before, with a pool that begins on the device of the model."""
        if not hasattr(self, 'queue_lr'):
            batch = len(self.lq)
            assert self.queue_size % batch == 0, f'queue size {self.queue_size}: not divisible by {batch}'
            for name in ('lq', 'gt'):
                x = getattr(self, name)
                setattr(
                    self,
                    'queue_lr' if name == 'lq' else 'queue_gt',
                    x.new_zeros(self.queue_size, *x.shape[1:]),
                )
            self.queue_ptr = 0
        _dequeue_and_enqueue.unmended(self)  # type: ignore[attr-defined]

    replace_method(model, '__init__', __init__)
    replace_method(model, '_dequeue_and_enqueue', _dequeue_and_enqueue)


def apply() -> None:
    """Let both models degrade images where they are trained."""
    replace_method(DiffJPEG, 'cuda', cuda)
    USMSharp.cuda = cuda
    _mend(RealESRNetModel)
    _mend(RealESRGANModel)
