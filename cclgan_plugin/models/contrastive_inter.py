"""Inter-CCL between an output, its ground truth and its input, in a discriminator's features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from cclgan_plugin.archs.module_levels import ModuleLevels
from cclgan_plugin.archs.untouched import own_weights
from cclgan_plugin.losses import InterCCLLoss


@dataclass
class InterTerm:
    """The loss and the discriminator that it looks through.

    Attributes:
        loss: how features are compared.
        levels: of the discriminator, which is used as it is and gets no gradient.
    """

    loss: InterCCLLoss
    levels: ModuleLevels

    def __call__(self, output: Tensor, gt: Tensor, lq: Tensor, generator: Generator) -> Tensor:
        """The loss of images ``(N, 3, H, W)`` of one size, at locations drawn from ``generator``."""
        anchor = self.levels.encode(output, own_weights(self.levels.net, trained=False))
        # One by one: batch norm must not mix real and generated images, as BasicSR's GANs do not either.
        with torch.no_grad():
            positive, negative = self.levels.encode(gt), self.levels.encode(lq)
        locations = self.loss.draw(anchor, generator) if self.loss.pooling == 'sample' else None
        vectors = [self.loss.vectors(features, locations) for features in (anchor, positive, negative)]
        return self.loss(vectors[0], None, vectors[1], vectors[2])
