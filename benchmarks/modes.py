"""Fast modes of the step: memory format, precision, compilation, joined batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from cclgan_plugin.errors import OptionError, did_you_mean

#: Methods of the networks that the step calls.
_ENTRANCES = ('forward', 'forward_features', 'encode', 'features_at')


@dataclass(frozen=True)
class Mode:
    """How the step is run; nothing set is plain float32, as the method has it.

    Attributes:
        tf32: matrix products and convolutions of float32 in TensorFloat-32, on cards that have it.
        bf16: forward passes under autocast to bfloat16.
        channels_last: weights and images in channels-last memory format.
        joined: translation and identity of one generator in one batch.
        compile: the networks' passes through ``torch.compile``.
    """

    tf32: bool = False
    bf16: bool = False
    channels_last: bool = False
    joined: bool = False
    compile: bool = False

    @classmethod
    def parse(cls, text: str) -> Mode:
        """``fp32``, or words joined by ``+``, e.g. ``bf16+channels_last``.

        Raises:
            OptionError: an unknown word.
        """
        known = [field.name for field in fields(cls)]
        words = [word for word in text.split('+') if word != 'fp32']
        for word in words:
            if word not in known:
                raise OptionError(
                    f'mode "{text}": there is no "{word}"; there are fp32, {", ".join(known)}, and sums of '
                    f'them such as bf16+channels_last.{did_you_mean(word, ["fp32", *known])}'
                )
        return cls(**dict.fromkeys(words, True))

    def __str__(self) -> str:
        return '+'.join(field.name for field in fields(self) if getattr(self, field.name)) or 'fp32'

    def prepare(self, nets: nn.ModuleDict) -> None:
        """Change the networks in place, once."""
        if self.channels_last:
            nets.to(memory_format=torch.channels_last)
        if self.compile:
            # One method is compiled anew for every network, set of levels and kind of input.
            torch._dynamo.config.cache_size_limit = 64
            for net in nets.values():
                for name in _ENTRANCES:
                    if hasattr(net, name):
                        setattr(net, name, torch.compile(getattr(net, name), dynamic=False))

    def images(self, x: Tensor) -> Tensor:
        """Images in the memory format of the networks."""
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def autocast(self, device: torch.device) -> torch.autocast:
        """Around forward passes and losses."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)

    @contextmanager
    def float32_products(self) -> Iterator[None]:
        """Around the whole step: without ``tf32`` float32 means float32. PyTorch's default mixes the two."""
        before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        torch.set_float32_matmul_precision('high' if self.tf32 else 'highest')
        torch.backends.cudnn.allow_tf32 = self.tf32
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.allow_tf32 = before[1]


PLAIN = Mode()
