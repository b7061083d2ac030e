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

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.archs.module_levels import Recording
from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.losses import IntraCCLLoss
from cclgan_plugin.losses.intra_ccl_loss import Embedding
from cclgan_plugin.models.contrastive_inter import InterTerm
from cclgan_plugin.models.contrastive_lcl import LCLTerm
from cclgan_plugin.models.value_range import ValueRange
from cclgan_plugin.seeds import derive_seed


def resized_to(x: Tensor, like: Tensor) -> Tensor:
    """Images in the height and width of others: bicubic, clamped to [0, 1]; unchanged if they agree."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode='bicubic', align_corners=False).clamp(0, 1)


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
        self._shared = self._shared_encoder()

    def _shared_encoder(self) -> int | None:
        """Which of intra-CCL's encoders is also LCL's; its features are then computed once."""
        # A derived loss may do other things with its encoders.
        if type(self.intra) is not IntraCCLLoss or self.lcl is None or self.lcl.own_encoder is not None:
            return None
        wanted = self.lcl.encoder.identity()  # type: ignore[union-attr]
        found = [i for i, encoder in enumerate(self.intra.encoders) if encoder.identity() == wanted]
        return found[0] if found else None

    @contextmanager
    def recording(self) -> Iterator[Recording | None]:
        """While the generator runs, keep what LCL needs of its features, so that it need not run again."""
        if self.lcl is None or self.lcl.own_encoder is None:
            yield None
            return
        with self.lcl.own_encoder.recording() as seen:
            yield seen

    def own_encoder(self) -> nn.Module | None:
        """The generator, if the losses reach its weights otherwise than through its output too."""
        own = self.lcl.own_encoder if self.lcl is not None else None
        return own.net if own is not None else None

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
        unit, resized = self.values.to_unit(output), resized_to(self.values.to_unit(lq), output)
        losses: dict[str, Tensor] = {}
        shared: tuple[Embedding, Embedding] | None = None
        if self.intra is not None and self._shared is not None:
            losses['l_intra_ccl'], shared = self._intra(self.intra, unit, self.values.to_unit(gt), resized)
        elif self.intra is not None:
            losses['l_intra_ccl'] = self.intra(unit, self.values.to_unit(gt), resized)
        if self.inter is not None:
            enlarged = self.values.from_unit(resized)
            losses['l_inter_ccl'] = self.inter(output, gt, enlarged, self._generator('inter', draw))
        if self.lcl is not None:
            queries, keys = self._features(self.lcl, output, lq, (unit, resized), shared, seen, weights)
            losses['l_lcl'] = self.lcl(queries, keys, self._generator('lcl', draw))
        return losses

    def _generator(self, purpose: str, draw: tuple[int, ...]) -> Generator:
        return Generator().manual_seed(derive_seed(self.seed, f'contrastive {purpose}', *draw))

    @staticmethod
    def _intra(
        loss: IntraCCLLoss, output: Tensor, gt: Tensor, lq: Tensor
    ) -> tuple[Tensor, tuple[Embedding, Embedding]]:
        """What ``loss(output, gt, lq)`` is, and the embeddings of output and input that it is made of."""
        with torch.no_grad():
            positive, negative = loss.embed([gt, lq])
        (anchor,) = loss.embed([output])
        return loss.loss_weight * loss.ratio(anchor, [positive], [negative]), (anchor, negative)

    def _features(
        self,
        term: LCLTerm,
        output: Tensor,
        lq: Tensor,
        unit: tuple[Tensor, Tensor],
        shared: tuple[Embedding, Embedding] | None,
        seen: Recording | None,
        weights: Mapping[str, Tensor] | None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Queries and keys of LCL."""
        if term.own_encoder is not None:
            return term.own_features(output, lq, seen, weights)
        if shared is not None and self._shared is not None:
            layers = term.encoder.layers  # type: ignore[union-attr]
            queries, keys = (dict(zip(layers, one[self._shared], strict=True)) for one in shared)
            return queries, keys
        with torch.no_grad():
            keys = term.frozen_features(unit[1])
        return term.frozen_features(unit[0]), keys
