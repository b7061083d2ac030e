"""Intra-CCL: inside each cycle, near the own domain and far from the other one, in a semantic space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from cclgan_plugin.encoders import build_encoder
from cclgan_plugin.errors import OptionError
from cclgan_plugin.losses.functional import contrastive_ratio
from cclgan_plugin.losses.options import check_choices
from cclgan_plugin.losses.registry import MODELS
from cclgan_plugin.numbers_given import check_number

#: For each encoder, one tensor (N, ...) for each of its layers.
Embedding = list[tuple[Tensor, ...]]


@MODELS.register_module()
@LOSS_REGISTRY.register()
class IntraCCLLoss(nn.Module):
    """A ratio of distances between frozen semantic embeddings (method: section 5).

    Args:
        encoder: options of a frozen encoder, or a list of them; each entry's own ``weight`` and
            ``layer_weights`` scale its ratios, which are added up.
        loss_weight: factor of the result; 1.0 in the paper.
        anchors: what CCLGANModel holds near its domain: ``'reconstruction'`` (as in the authors' release)
            and/or ``'translation'``.
        translation_weight: weight of the translation among the negatives of the reconstruction.
        eps: keeps the ratio finite.

    The encoders' weights are not part of this module's ``state_dict``, parameters or device moves.

    Raises:
        OptionError: a value out of its range.
    """

    def __init__(
        self,
        encoder: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        loss_weight: float = 1.0,
        anchors: Sequence[str] = ('reconstruction',),
        translation_weight: float = 0.1,
        eps: float = 1e-7,
    ) -> None:
        super().__init__()
        entries = _entries(encoder)
        self.encoders = [build_encoder(dict(entry)) for entry in entries]
        self.loss_weight = check_number('IntraCCLLoss', 'loss_weight', loss_weight)
        self.anchors = check_choices('IntraCCLLoss', 'anchors', anchors, ('reconstruction', 'translation'))
        self.translation_weight = check_number('IntraCCLLoss', 'translation_weight', translation_weight)
        self.eps = check_number('IntraCCLLoss', 'eps', eps, above_zero=True)

    def embed(self, images: Sequence[Tensor]) -> list[Embedding]:
        """Embed several batches of equal size in one pass of each encoder.

        Args:
            images: batches ``(N, 3, H, W)``, RGB in [0, 1].

        Returns:
            One embedding for each batch.

        Raises:
            ValueError: the batches have different shapes.
        """
        _check_equal_shapes(images)
        joined = torch.cat(list(images))
        parts = [[layer.chunk(len(images)) for layer in encoder(joined)] for encoder in self.encoders]
        return [[tuple(layer[i] for layer in layers) for layers in parts] for i in range(len(images))]

    def ratio(
        self,
        anchor: Embedding,
        positives: Sequence[Embedding],
        negatives: Sequence[Embedding],
        negative_weights: Sequence[float] | None = None,
    ) -> Tensor:
        """The weighted sum, over encoders and layers, of the ratios of embedded images; a scalar."""
        total = None
        for e, encoder in enumerate(self.encoders):
            for i, layer_weight in enumerate(encoder.layer_weights):
                ratio = contrastive_ratio(
                    anchor[e][i],
                    [positive[e][i].detach() for positive in positives],
                    [negative[e][i].detach() for negative in negatives],
                    negative_weights=negative_weights,
                    eps=self.eps,
                )
                weighted = encoder.weight * layer_weight * ratio
                total = weighted if total is None else total + weighted
        assert total is not None
        return total

    def forward(
        self,
        anchor: Tensor,
        positives: Tensor | Sequence[Tensor],
        negatives: Tensor | Sequence[Tensor],
        negative_weights: Sequence[float] | None = None,
    ) -> Tensor:
        """Pull images towards positives and away from negatives; only the anchor gets a gradient.

        Args:
            anchor: ``(N, 3, H, W)``, RGB in [0, 1].
            positives: one batch or several, of the anchor's shape.
            negatives: one batch or several, of the anchor's shape.
            negative_weights: one for each batch of negatives; 1 by default.

        Returns:
            ``loss_weight`` times the ratio, averaged over the images; a scalar.

        Raises:
            ValueError: the batches have different shapes.
        """
        positives = [positives] if isinstance(positives, Tensor) else list(positives)
        negatives = [negatives] if isinstance(negatives, Tensor) else list(negatives)
        _check_equal_shapes([anchor, *positives, *negatives])
        with torch.no_grad():
            targets = self.embed([*positives, *negatives])
        (embedded,) = self.embed([anchor])
        near, far = targets[: len(positives)], targets[len(positives) :]
        return self.loss_weight * self.ratio(embedded, near, far, negative_weights)

    def cycles(
        self,
        rainy: Tensor,
        clean: Tensor,
        derained: Tensor,
        rained: Tensor,
        rainy_back: Tensor | None = None,
        clean_back: Tensor | None = None,
    ) -> Tensor:
        """Intra-CCL of the rain cycle r -> c^ -> r~ and the clean cycle c -> r^ -> c~.

        ``0.5 (rain + clean)`` for each kind of anchor, each image embedded once.

        Args:
            rainy: r, ``(N, 3, H, W)``, RGB in [0, 1], as all others.
            clean: c.
            derained: c^.
            rained: r^.
            rainy_back: r~; needed for the anchor ``'reconstruction'``.
            clean_back: c~; likewise.

        Returns:
            A scalar, ``loss_weight`` included.

        Raises:
            ValueError: the reconstructions are missing, or the batches have different shapes.
        """
        reconstruct, translate = 'reconstruction' in self.anchors, 'translation' in self.anchors
        if reconstruct and (rainy_back is None or clean_back is None):
            raise ValueError('IntraCCLLoss: the anchor "reconstruction" needs both reconstructions')
        given = (rainy, clean, derained, rained, rainy_back, clean_back)
        _check_equal_shapes([x for x in given if x is not None])
        with torch.no_grad():
            e_rainy, e_clean, *rest = self.embed([rainy, clean, *([] if translate else [derained, rained])])
        live = [x for x in (rainy_back, clean_back) if x is not None and reconstruct]
        embedded = self.embed([*live, *([derained, rained] if translate else [])])
        e_derained, e_rained = embedded[-2:] if translate else rest
        total = torch.zeros((), device=rainy.device)
        if reconstruct:
            weights = (1.0, self.translation_weight)
            total = total + self.ratio(embedded[0], [e_rainy], [e_clean, e_derained], weights)
            total = total + self.ratio(embedded[1], [e_clean], [e_rainy, e_rained], weights)
        if translate:
            total = total + self.ratio(e_derained, [e_clean], [e_rainy])
            total = total + self.ratio(e_rained, [e_rainy], [e_clean])
        return self.loss_weight * 0.5 * total


def _entries(encoder: Any) -> list[Mapping[str, Any]]:
    """The options of each encoder."""
    several = isinstance(encoder, Sequence) and not isinstance(encoder, str)
    entries = list(encoder) if several else [encoder]
    if not entries:
        raise OptionError('IntraCCLLoss: encoder names no encoder')
    for entry in entries:
        if not isinstance(entry, Mapping):
            got = type(entry).__name__ if isinstance(entry, nn.Module) else repr(entry)
            raise OptionError(
                'IntraCCLLoss: encoder must be the options of a frozen encoder, such as {type: CLIPEncoder}, '
                f'or a list of such; got {got}. RegisteredEncoder takes a network of your own'
            )
    return entries


def _check_equal_shapes(images: Sequence[Tensor]) -> None:
    """Batches of other sizes would be cut apart at the wrong images."""
    shapes = [tuple(batch.shape) for batch in images]
    if len(set(shapes)) > 1:
        raise ValueError(f'IntraCCLLoss: expected batches of equal shape, got {", ".join(map(str, shapes))}')
