"""The projection heads of the location contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from cclgan_plugin.archs.init import init_weights
from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.archs.unit_vectors import unit_vectors
from cclgan_plugin.errors import OptionError, did_you_mean
from cclgan_plugin.numbers_given import check_whole


@ARCH_REGISTRY.register()
class LCLHead(nn.Module):
    """One small MLP per feature level: Linear, ReLU, Linear, then L2 normalisation (method: section 2).

    It is built together with the model, from channel counts that the generator declares. Heads built at
    the first batch are why checkpoints, optimizers and distributed training break elsewhere.

    Args:
        channels: channels of each feature level by name, e.g. a generator's ``feature_channels``.
        dim: length of the embedding.

    Raises:
        OptionError: no channels, or a number below 1.
    """

    def __init__(self, channels: Mapping[str, int], dim: int = 256) -> None:
        super().__init__()
        dim = check_whole('LCLHead', 'dim', dim, 1)
        if not isinstance(channels, Mapping):
            raise OptionError(
                f'LCLHead: channels must map the names of feature levels to numbers, such as {{down1: 128}}; '
                f'got {channels!r}'
            )
        if not channels:
            raise OptionError('LCLHead: no feature levels were given')
        self.dim = dim
        # A module's name cannot hold a dot; names of levels in other networks do ("body.2").
        self.mlps = nn.ModuleDict(
            {
                self._key(level): nn.Sequential(
                    nn.Linear(check_whole('LCLHead', f'channels of "{level}"', count, 1), dim),
                    nn.ReLU(inplace=True),
                    nn.Linear(dim, dim),
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

        Raises:
            OptionError: a level that the head was not built for.
        """
        embedded = {level: self._embed(level, vectors) for level, vectors in samples.items()}
        # In float32 under autocast too: bfloat16's rounding, over the temperature, has the size of the loss.
        return {level: unit_vectors(at_least_float32(vectors)) for level, vectors in embedded.items()}

    def _embed(self, level: str, vectors: Tensor) -> Tensor:
        if self._key(level) not in self.mlps:
            known = [key.replace('/', '.') for key in self.mlps]
            raise OptionError(
                f'LCLHead: it was not built for the level "{level}".{did_you_mean(level, known)} '
                f'It has: {", ".join(known)}'
            )
        mlp = self.mlps[self._key(level)]
        if not torch.is_autocast_enabled(vectors.device.type):
            # Features may come from under an autocast that has ended.
            vectors = vectors.to(next(mlp.parameters()).dtype)
        embedded: Tensor = mlp(vectors)
        return embedded
