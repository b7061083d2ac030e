"""LCL between an input (keys) and an output (queries)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from cclgan_plugin.archs.module_levels import ModuleLevels, Recording
from cclgan_plugin.encoders import SemanticEncoder
from cclgan_plugin.errors import TrainingError
from cclgan_plugin.losses import LCLLoss


@dataclass
class LCLTerm:
    """The loss, who encodes, and what embeds.

    Attributes:
        loss: how places are compared.
        encoder: the generator's own levels, or a frozen encoder.
        head: embeds both; None = the features themselves are compared.
        autocast: the context in which the generator encodes: that of the model which runs it, where it has
            one. Queries in another precision than the keys, which passed by, would differ by its rounding.
    """

    loss: LCLLoss
    encoder: ModuleLevels | SemanticEncoder
    head: nn.Module | None = None
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext

    @property
    def own_encoder(self) -> ModuleLevels | None:
        """The generator's levels, where it encodes."""
        return self.encoder if isinstance(self.encoder, ModuleLevels) else None

    def frozen_features(self, images: Tensor) -> dict[str, Tensor]:
        """Maps ``(N, C, h, w)`` by layer of the frozen encoder, of images ``(N, 3, H, W)`` in [0, 1]."""
        assert isinstance(self.encoder, SemanticEncoder)
        return dict(zip(self.encoder.layers, self.encoder(images), strict=True))

    def own_features(
        self, output: Tensor, lq: Tensor, seen: Recording | None, weights: Mapping[str, Tensor] | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Queries and keys by the generator: of the output, encoded now, and of the input, as it passed by.

        Args:
            output: ``(N, 3, H, W)``.
            lq: of the same shape.
            seen: what was recorded of the generator's runs, perhaps that of ``lq``.
            weights: of the generator, in the place of its own for the queries.
        """
        encoder = self.own_encoder
        assert encoder is not None
        keys = seen.of(lq, encoder.levels) if seen is not None else None
        if keys is None:
            with torch.no_grad(), self.autocast():
                keys = encoder.encode(lq)
        # Outputs come in float32 or wider; a network of bfloat16 altogether takes nothing but its own.
        with self.autocast():
            return encoder.encode(output.to(lq.dtype), weights), keys

    def __call__(
        self, queries: Mapping[str, Tensor], keys: Mapping[str, Tensor], generator: Generator
    ) -> Tensor:
        """The loss of feature maps by level, at locations drawn from ``generator``.

        Raises:
            TrainingError: the features of output and input differ in shape.
        """
        for level, query in queries.items():
            if query.shape != keys[level].shape:
                raise TrainingError(
                    f'train.contrastive_opt.lcl: the output has features {tuple(query.shape)} at "{level}", '
                    f'the input {tuple(keys[level].shape)}; their places cannot be compared'
                )
        locations = self.loss.draw(queries, generator)
        return self.loss(queries, keys, locations, self.head, self.head)
