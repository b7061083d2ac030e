"""LCL, the location contrastive loss: the content stays where it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Generator, Tensor, nn

from cclgan_plugin.archs.sampling import sample_levels
from cclgan_plugin.losses.features import LOCATIONS, VECTORS, draw_in, require_features
from cclgan_plugin.losses.functional import NEGATIVES, patch_nce
from cclgan_plugin.losses.options import check_choice, check_choices
from cclgan_plugin.losses.registry import MODELS
from cclgan_plugin.numbers_given import check_number, check_whole

Head = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@MODELS.register_module()
@LOSS_REGISTRY.register()
class LCLLoss(nn.Module):
    """Patch-wise InfoNCE between two images' features at the same locations (method: section 4).

    Args:
        loss_weight: factor of the result; 2.0 in the paper.
        temperature: of the soft-max.
        num_patches: locations drawn at each level.
        layers: names of the feature levels.
        negatives: ``'image'`` (the other locations of the same image), ``'batch'`` or ``'global'``; see
            :func:`~cclgan_plugin.losses.functional.patch_nce`.
        terms: what CCLGANModel ties together: ``'translation'`` (an image and its translation),
            ``'reconstruction'`` (a translation and its way back), ``'identity'`` (an image and its
            translation into its own domain, as in CUT).
        cycle_encoders: who encodes the keys and queries of ``'reconstruction'``: ``'domain'`` (the generator
            that takes such images) or ``'release'`` (as in the authors' code).

    Raises:
        OptionError: a value out of its range.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        temperature: float = 0.07,
        num_patches: int = 256,
        layers: Sequence[str] = ('down1', 'down2', 'block1'),
        negatives: str = 'image',
        terms: Sequence[str] = ('translation', 'reconstruction'),
        cycle_encoders: str = 'domain',
    ) -> None:
        super().__init__()
        check_choice('LCLLoss', 'negatives', negatives, NEGATIVES)
        check_choice('LCLLoss', 'cycle_encoders', cycle_encoders, ('domain', 'release'))
        self.loss_weight = check_number('LCLLoss', 'loss_weight', loss_weight)
        self.temperature = check_number('LCLLoss', 'temperature', temperature, above_zero=True)
        self.num_patches = check_whole(
            'LCLLoss', 'num_patches', num_patches, 2, ' (one positive and one negative)'
        )
        self.layers = check_choices('LCLLoss', 'layers', layers)
        self.negatives = negatives
        self.terms = check_choices('LCLLoss', 'terms', terms, ('translation', 'reconstruction', 'identity'))
        self.cycle_encoders = cycle_encoders

    def draw(self, features: Mapping[str, Tensor], generator: Generator | None = None) -> dict[str, Tensor]:
        """Draw locations for each of :attr:`layers` out of maps ``(N, C, h, w)``.

        Raises:
            OptionError: the features lack one of :attr:`layers`.
            ValueError: a level is no map.
        """
        require_features(features, self.layers, 'LCLLoss', 'the features')
        return draw_in(features, self.layers, self.num_patches, generator)

    def forward(
        self,
        query_features: Mapping[str, Tensor],
        key_features: Mapping[str, Tensor],
        locations: Mapping[str, Tensor] | None = None,
        query_head: Head | None = None,
        key_head: Head | None = None,
    ) -> Tensor:
        """The loss of one pair of images (or of two batches of images).

        Args:
            query_features: maps ``(N, C, h, w)`` by level, of the image that learns.
            key_features: maps of the same shapes, of the image it must agree with; they get no gradient.
            locations: ``(P,)`` flat indices by level; drawn afresh by default.
            query_head: embeds ``{level: (N, P, C)}`` as unit vectors, e.g. an ``LCLHead``; by default the
                features themselves are compared.
            key_head: the same for the keys; also without gradient.

        Returns:
            ``loss_weight`` times the mean over levels, a scalar.

        Raises:
            OptionError: the features, locations or embeddings lack one of :attr:`layers`.
            ValueError: a level is no map; its two maps differ in height or width; it has a single location,
                which leaves nothing to tell it from.
        """
        for features, what in ((query_features, 'the query'), (key_features, 'the key')):
            require_features(features, self.layers, 'LCLLoss', f'{what} features')
        for level in self.layers:
            sizes = [tuple(features[level].shape[-2:]) for features in (query_features, key_features)]
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f'LCLLoss: level "{level}" is {sizes[0]} in the query and {sizes[1]} in the key; places '
                    'are compared, so both must have the same height and width'
                )
        locations = self.draw(query_features) if locations is None else locations
        require_features(locations, self.layers, 'LCLLoss', 'the locations', LOCATIONS)
        locations = {level: locations[level] for level in self.layers}
        self._require_negatives(query_features, locations)
        queries: Mapping[str, Tensor] = sample_levels(query_features, locations)
        if query_head is not None:
            queries = query_head(queries)
        with torch.no_grad():
            keys: Mapping[str, Tensor] = sample_levels(key_features, locations)
            if key_head is not None:
                keys = key_head(keys)
        for vectors, what in ((queries, 'the query'), (keys, 'the key')):
            require_features(vectors, self.layers, 'LCLLoss', f'{what} embeddings', VECTORS)
        unit = query_head is not None and key_head is not None
        losses = [
            patch_nce(
                queries[level], keys[level], self.temperature, normalized=unit, negatives=self.negatives
            )
            for level in self.layers
        ]
        return self.loss_weight * torch.stack(losses).mean()

    def _require_negatives(self, features: Mapping[str, Tensor], locations: Mapping[str, Tensor]) -> None:
        """A location alone is always right: the loss would be 0, and nobody would notice."""
        for level, where in locations.items():
            images = len(features[level]) if self.negatives == 'batch' else 1
            # Of other processes' batches this one knows nothing.
            if self.negatives != 'global' and len(where) * images < 2:
                size = 'x'.join(map(str, features[level].shape[-2:]))
                raise ValueError(
                    f'LCLLoss: level "{level}" has {len(where)} location (its map is {size}) and, with '
                    f'negatives: {self.negatives}, none to tell it from; its loss would always be 0. Take '
                    'another level'
                )
