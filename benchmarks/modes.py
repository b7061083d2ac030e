"""Fast modes of the step: memory format, precision, compilation, joined batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch

from cclgan_plugin.errors import OptionError, did_you_mean
from cclgan_plugin.models.lanes import Lanes
from cclgan_plugin.models.step_modes import StepModes, joins_identity
from cclgan_plugin.training.precision import Precision


@dataclass(frozen=True)
class Mode:
    """How the step is run; nothing set is plain float32, as the method has it.

    Attributes:
        tf32: matrix products and convolutions of float32 in TensorFloat-32, on cards that have it.
        bf16: forward passes under autocast to bfloat16.
        channels_last: weights and images in channels-last memory format.
        joined: translation and identity of one generator in one batch.
        checkpointing: the generators' activations are computed again on the way back.
        compile: the networks' passes and the contrastive losses through ``torch.compile``.
        graphs: the step's kernels recorded and replayed, on CUDA cards.
    """

    tf32: bool = False
    bf16: bool = False
    channels_last: bool = False
    joined: bool = False
    checkpointing: bool = False
    compile: bool = False
    graphs: bool = False

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

    def step_modes(self, device: torch.device) -> StepModes:
        """The same as the step takes it."""
        return StepModes(
            precision=Precision('bf16' if self.bf16 else 'off', device),
            channels_last=self.channels_last,
            batch_identity=self.joined or joins_identity(device, self.channels_last),
            checkpointing=self.checkpointing,
            compile=self.compile,
            lanes=Lanes(device if self.graphs else None),
        )

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
