"""The projection heads of the location contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from cclgan_plugin.archs.init import init_weights
from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.errors import OptionError


@ARCH_REGISTRY.register()
class LCLHead(nn.Module):
    """One small MLP per feature level: Linear, ReLU, Linear, then L2 normalisation (method: section 2).

    It is built together with the model, from channel counts that the generator declares. Heads built at
    the first batch are why checkpoints, optimizers and distributed training break elsewhere.

    Args:
        channels: channels of each feature level by name, e.g. a generator's ``feature_channels``.
        dim: length of the embedding.
    """

    def __init__(self, channels: Mapping[str, int], dim: int = 256) -> None:
        super().__init__()
        if dim < 1:
            raise OptionError(f'LCLHead: dim must be at least 1, got {dim}')
        if not channels:
            raise OptionError('LCLHead: no feature levels were given')
        self.dim = dim
        # A module's name cannot hold a dot; names of levels in other networks do ("body.2").
        self.mlps = nn.ModuleDict(
            {
                self._key(level): nn.Sequential(
                    nn.Linear(count, dim), nn.ReLU(inplace=True), nn.Linear(dim, dim)
                )
                for level, count in channels.items()
            }
        )
        init_weights(self)

    @staticmethod
    def _key(level: str) -> str:
        return level.replace('.', '/')

    def forward(self, samples: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Embed sampled feature vectors.

        Args:
            samples: ``(N, P, C)`` for each level.

        Returns:
            Unit vectors ``(N, P, dim)`` for each level.
        """
        embedded = {level: self.mlps[self._key(level)](vectors) for level, vectors in samples.items()}
        # In float32 under autocast too: bfloat16's rounding, over the temperature, has the size of the loss.
        return {level: unit_vectors(at_least_float32(vectors)) for level, vectors in embedded.items()}


class _UnitVectors(torch.autograd.Function):
    """A third of the operations that autograd would make of it. The lengths are an output for its sake alone:
    saved outputs have gradients of their own where somebody differentiates the gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        length = x.norm(dim=-1, keepdim=True)
        length.masked_fill_(length == 0, 1)
        unit = x / length
        ctx.save_for_backward(unit, length)
        ctx.set_materialize_grads(False)
        return unit, length

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Tensor | None:
        unit, length = ctx.saved_tensors
        of_unit, of_length = grads
        found = None if of_length is None else of_length * unit
        if of_unit is not None:
            along = (of_unit * unit).sum(-1, keepdim=True)
            across = torch.addcmul(of_unit, unit, along, value=-1) / length
            found = across if found is None else found + across
        return found


def unit_vectors(x: Tensor) -> Tensor:
    """Divide vectors ``(..., C)`` by their lengths, in float32 or wider.

    A vector of zeros stays one, and its gradient is not divided. A fresh head makes them, where all its
    hidden units are off, and ``F.normalize`` would multiply their gradient by 1e12.
    """
    return _UnitVectors.apply(x)[0]
