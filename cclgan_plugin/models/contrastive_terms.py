"""CCLGAN's losses of a network that restores single images: output, ground truth and input in, losses out.

Plain PyTorch, without BasicSR. With x^ the output, y the ground truth and x the input, resized to x^:

    intra-CCL  d(E x^, E y) / (d(E x^, E x) + eps)     E: frozen semantic encoders
    inter-CCL  the same in a discriminator's features, at sampled locations
    LCL        InfoNCE between places of x^ (queries) and the same places of x (keys)

Equations: method of arXiv 2407.11750, with the paired ground truth in the place of the unpaired image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.archs.module_levels import ModuleLevels, Recording
from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.archs.sampling import draw_levels
from cclgan_plugin.archs.untouched import own_weights
from cclgan_plugin.encoders import SemanticEncoder
from cclgan_plugin.errors import TrainingError
from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss, LCLLoss
from cclgan_plugin.models.value_range import ValueRange
from cclgan_plugin.seeds import derive_seed


def resized_to(x: Tensor, like: Tensor) -> Tensor:
    """Images in the height and width of others: bicubic, clamped to [0, 1]; unchanged if they agree."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode='bicubic', align_corners=False).clamp(0, 1)


@dataclass
class LCLTerm:
    """LCL between the input (keys) and the output (queries).

    Attributes:
        loss: how they are compared.
        encoder: the generator's own levels, or a frozen encoder.
        head: embeds both; None = the features themselves are compared.
    """

    loss: LCLLoss
    encoder: ModuleLevels | SemanticEncoder
    head: nn.Module | None = None

    @property
    def is_frozen(self) -> bool:
        """The encoder is not the generator."""
        return not isinstance(self.encoder, ModuleLevels)


@dataclass
class InterTerm:
    """Inter-CCL in the feature levels of a discriminator."""

    loss: InterCCLLoss
    levels: ModuleLevels


class ContrastiveTerms:
    """The three losses, as far as they are asked for.

    Args:
        seed: locations are derived from it and the iteration, so that a resumed run sees the same ones.
        intra: intra-CCL.
        inter: inter-CCL.
        lcl: LCL.
        values: what the model's images are; encoders see them in [0, 1].
    """

    def __init__(
        self,
        seed: int,
        intra: IntraCCLLoss | None = None,
        inter: InterTerm | None = None,
        lcl: LCLTerm | None = None,
        values: ValueRange | None = None,
    ) -> None:
        self.seed = seed
        self.intra, self.inter, self.lcl = intra, inter, lcl
        self.values = values or ValueRange()

    def __bool__(self) -> bool:
        return any(term is not None for term in (self.intra, self.inter, self.lcl))

    @contextmanager
    def recording(self) -> Iterator[Recording | None]:
        """While the generator runs, keep what LCL needs of its features, so that it need not run again."""
        if self.lcl is None or not isinstance(self.lcl.encoder, ModuleLevels):
            yield None
            return
        with self.lcl.encoder.recording() as seen:
            yield seen

    def own_encoder(self) -> nn.Module | None:
        """The generator, if the losses reach its weights otherwise than through its output too."""
        if self.lcl is None or not isinstance(self.lcl.encoder, ModuleLevels):
            return None
        return self.lcl.encoder.net

    def head_parameters(self) -> list[nn.Parameter]:
        """Weights that no other loss trains."""
        return list(self.lcl.head.parameters()) if self.lcl is not None and self.lcl.head is not None else []

    def losses(
        self,
        output: Tensor,
        gt: Tensor,
        lq: Tensor,
        draw: tuple[int, ...],
        seen: Recording | None = None,
        weights: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The losses of one batch, weights included.

        Args:
            output: x^, ``(N, 3, H, W)``, in the model's range of values; the gradient goes here.
            gt: y, of the same shape.
            lq: x, ``(N, 3, h, w)``.
            draw: what the locations are drawn for: the iteration, and further counters if there are several
                draws in it.
            seen: what :meth:`recording` has seen, perhaps of ``lq``.
            weights: of :meth:`own_encoder`, in the place of its own for the queries.

        Returns:
            Scalars: ``l_intra_ccl``, ``l_inter_ccl``, ``l_lcl``, as far as there are.
        """
        output = at_least_float32(output)
        resized = resized_to(self.values.to_unit(lq), output)
        losses: dict[str, Tensor] = {}
        if self.intra is not None:
            losses['l_intra_ccl'] = self.intra(self.values.to_unit(output), self.values.to_unit(gt), resized)
        if self.inter is not None:
            losses['l_inter_ccl'] = self._inter(self.inter, output, gt, self.values.from_unit(resized), draw)
        if self.lcl is not None:
            losses['l_lcl'] = self._lcl(self.lcl, output, lq, resized, draw, seen, weights)
        return losses

    def _generator(self, purpose: str, draw: tuple[int, ...]) -> Generator:
        return Generator().manual_seed(derive_seed(self.seed, f'contrastive {purpose}', *draw))

    def _inter(
        self, term: InterTerm, output: Tensor, gt: Tensor, lq: Tensor, draw: tuple[int, ...]
    ) -> Tensor:
        loss = term.loss
        constants = own_weights(term.levels.net, trained=False)
        anchor = term.levels.encode(output, constants)
        # One by one: batch norm must not mix real and generated images, as BasicSR's GANs do not either.
        with torch.no_grad():
            positive, negative = term.levels.encode(gt), term.levels.encode(lq)
        locations = None
        if loss.pooling == 'sample':
            sizes = {level: (x.shape[-2], x.shape[-1]) for level, x in anchor.items()}
            drawn = draw_levels(sizes, loss.layers, loss.num_patches, self._generator('inter', draw))
            locations = {level: where.to(output.device) for level, where in drawn.items()}
        vectors = [loss.vectors(features, locations) for features in (anchor, positive, negative)]
        return loss(vectors[0], None, vectors[1], vectors[2])

    def _lcl(
        self,
        term: LCLTerm,
        output: Tensor,
        lq: Tensor,
        resized: Tensor,
        draw: tuple[int, ...],
        seen: Recording | None,
        weights: Mapping[str, Tensor] | None,
    ) -> Tensor:
        encoder = term.encoder
        if isinstance(encoder, ModuleLevels):
            keys = seen.of(lq, encoder.levels) if seen is not None else None
            if keys is None:
                with torch.no_grad():
                    keys = encoder.encode(lq)
            queries = encoder.encode(output, weights)
        else:
            with torch.no_grad():
                keys = dict(zip(encoder.layers, encoder(resized), strict=True))
            queries = dict(zip(encoder.layers, encoder(self.values.to_unit(output)), strict=True))
        for level, query in queries.items():
            if query.shape != keys[level].shape:
                raise TrainingError(
                    f'train.contrastive_opt.lcl: the output has features {tuple(query.shape)} at "{level}", '
                    f'the input {tuple(keys[level].shape)}; their places cannot be compared'
                )
        locations = term.loss.draw(queries, self._generator('lcl', draw))
        return term.loss(queries, keys, locations, term.head, term.head)
