"""Inter-CCL: across the cycles, near the own domain and far from the other, in a discriminator's space."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.archs.sampling import sample_levels
from cclgan_plugin.losses.features import LOCATIONS, VECTORS, draw_in, require_features
from cclgan_plugin.losses.functional import contrastive_ratio, cycle_contrastive_ratio
from cclgan_plugin.losses.options import check_choice, check_choices
from cclgan_plugin.losses.registry import MODELS
from cclgan_plugin.numbers_given import check_number, check_whole

PROJECTION_DIM = 256


@MODELS.register_module()
@LOSS_REGISTRY.register()
class InterCCLLoss(nn.Module):
    """A ratio of distances between unit feature vectors of a discriminator (method: section 5).

    Args:
        loss_weight: factor of the result; 0.005 in the paper.
        layers: names of the discriminator's feature levels; ``image`` is the image itself.
        num_patches: locations drawn at each level, the same ones in every image.
        projection: ``'none'``, or ``'fixed'``: a fixed random projection to 256 channels for all images.
        pooling: ``'sample'`` (vectors at the locations) or ``'mean'`` (one average vector per level, so
            that unrelated content is not compared place by place).
        pair_weight: weight of the distance between translation and reconstruction.
        eps: keeps the ratio finite.

    Raises:
        OptionError: a value out of its range.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        layers: Sequence[str] = ('image', 'conv2', 'conv3'),
        num_patches: int = 64,
        projection: str = 'none',
        pooling: str = 'sample',
        pair_weight: float = 0.2,
        eps: float = 1e-7,
    ) -> None:
        super().__init__()
        self.loss_weight = check_number('InterCCLLoss', 'loss_weight', loss_weight)
        self.layers = check_choices('InterCCLLoss', 'layers', layers)
        self.num_patches = check_whole('InterCCLLoss', 'num_patches', num_patches, 1)
        self.projection = check_choice('InterCCLLoss', 'projection', projection, ('none', 'fixed'))
        self.pooling = check_choice('InterCCLLoss', 'pooling', pooling, ('sample', 'mean'))
        self.pair_weight = check_number('InterCCLLoss', 'pair_weight', pair_weight)
        self.eps = check_number('InterCCLLoss', 'eps', eps, above_zero=True)
        # The image depends on no weights, so it does not count among the levels that are averaged over.
        self.num_trained = max(1, sum(level != 'image' for level in self.layers))
        self._moved: dict[tuple[str, int, torch.dtype, torch.device], Tensor] = {}

    def draw(self, features: Mapping[str, Tensor], generator: Generator | None = None) -> dict[str, Tensor]:
        """Draw locations for each of :attr:`layers` out of maps ``(N, C, h, w)``.

        Raises:
            OptionError: the features lack one of :attr:`layers`.
            ValueError: a level is no map.
        """
        require_features(features, self.layers, 'InterCCLLoss', 'the features')
        return draw_in(features, self.layers, self.num_patches, generator)

    def vectors(
        self, features: Mapping[str, Tensor], locations: Mapping[str, Tensor] | None
    ) -> dict[str, Tensor]:
        """Reduce maps ``(N, C, h, w)`` to vectors ``(N, P, C)``: at ``locations``, or pooled (P = 1).

        Raises:
            OptionError: the features or the locations lack one of :attr:`layers`.
            ValueError: a level is no map; no locations, with ``pooling: sample``.
        """
        require_features(features, self.layers, 'InterCCLLoss', 'the features')
        if self.pooling == 'mean':
            # Half precision would round the averages of whole images, whose differences are small.
            return {level: _mean_vector(features[level]).unsqueeze(1) for level in self.layers}
        if locations is None:
            raise ValueError(
                'InterCCLLoss: pooling "sample" needs locations, the same ones for every image; '
                'draw(features) gives them'
            )
        require_features(locations, self.layers, 'InterCCLLoss', 'the locations', LOCATIONS)
        return sample_levels(features, {level: locations[level] for level in self.layers})

    def forward(
        self,
        translation: Mapping[str, Tensor],
        reconstruction: Mapping[str, Tensor] | None,
        positive: Mapping[str, Tensor],
        negative: Mapping[str, Tensor],
    ) -> Tensor:
        """The loss in the space of one discriminator.

        Every argument that asks for a gradient gets one. Real images are to be encoded under
        ``torch.no_grad()``, generated ones with the discriminator's weights frozen, e.g. by
        :func:`~cclgan_plugin.archs.untouched.own_weights` (method: section 3).

        Args:
            translation: vectors ``(N, P, C)`` by level of the translated image of this domain.
            reconstruction: of the reconstructed one; without it, the translation alone is compared.
            positive: of a real image of this domain.
            negative: of a real image of the other domain.

        Returns:
            ``loss_weight`` times the sum over levels divided by the number of trained levels; a scalar.

        Raises:
            OptionError: an image lacks one of :attr:`layers`.
            ValueError: feature maps in the place of vectors.
        """
        given = {'translation': translation, 'positive': positive, 'negative': negative}
        if reconstruction is not None:
            given['reconstruction'] = reconstruction
        for name, vectors in given.items():
            require_features(vectors, self.layers, 'InterCCLLoss', f'the vectors "{name}"', VECTORS)
        ratios = []
        for level in self.layers:
            near, far = self._units(level, positive, negative)
            if reconstruction is None:
                (anchor,) = self._units(level, translation)
                ratios.append(contrastive_ratio(anchor, near, far, eps=self.eps))
            else:
                anchor, back = self._units(level, translation, reconstruction)
                ratios.append(cycle_contrastive_ratio(anchor, back, near, far, self.pair_weight, self.eps))
        return self.loss_weight * torch.stack(ratios).sum() / self.num_trained

    def _units(self, level: str, *images: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        # Together: for a graphics card, the launches are what such small things cost.
        x = at_least_float32(torch.stack([vectors[level] for vectors in images]))
        if self.projection == 'fixed':
            with torch.autocast(x.device.type, enabled=False):
                x = x @ self._projection_like(level, x)
        # A grey pixel is the zero vector of the image level; its gradient is divided by eps.
        return F.normalize(x, dim=-1, eps=1e-7).unbind()

    def _projection_like(self, level: str, x: Tensor) -> Tensor:
        # Made and moved once, not in every step: the move would make the host wait for a GPU.
        key = (level, x.shape[-1], x.dtype, x.device)
        if key not in self._moved:
            # Tensors of inference mode could take no part in a training.
            with torch.inference_mode(False), torch.no_grad():
                self._moved[key] = self.projection_matrix(level, x.shape[-1]).to(x.device, x.dtype)
        return self._moved[key]

    def projection_matrix(self, level: str, channels: int) -> Tensor:
        """The fixed projection ``(channels, 256)`` of a level, the same in every run and process."""
        generator = torch.Generator().manual_seed(zlib.crc32(f'{level}/{channels}'.encode()))
        matrix = torch.randn(channels, PROJECTION_DIM, generator=generator, dtype=torch.float64)
        return matrix / channels**0.5


def _mean_vector(x: Tensor) -> Tensor:
    """The average ``(N, C)`` of a map, in float32 or wider, without a copy of the map."""
    return x.mean((2, 3), dtype=torch.promote_types(x.dtype, torch.float32))
