"""The losses of sections 3 to 5 as they are written there, with loops over images and levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .layers import l2_normalise

EPS = 1e-7
LEVELS_WITHOUT_WEIGHTS = ('image',)


def mean_of(values: Sequence[Tensor]) -> Tensor:
    """The plain average of scalars."""
    return torch.stack(list(values)).mean()


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference over everything."""
    return (a - b).abs().mean()


def gan(logits: Tensor, is_real: bool, is_disc: bool, option: Mapping[str, Any]) -> Tensor:
    """BasicSR's ``GANLoss``: one scalar; ``loss_weight`` counts for generators only.

    ``is_real`` is the label that the logits are held against: generators ask for True.
    """
    kind = option['gan_type']
    label = option.get('real_label_val', 1.0) if is_real else option.get('fake_label_val', 0.0)
    sign = 1 if is_real else -1
    if kind == 'hinge' and is_disc:
        loss = F.relu(1 - sign * logits).mean()
    elif kind == 'hinge':
        loss = -logits.mean()
    elif kind == 'lsgan':
        loss = ((logits - label) ** 2).mean()
    elif kind == 'vanilla':
        loss = -(label * F.logsigmoid(logits) + (1 - label) * F.logsigmoid(-logits)).mean()
    elif kind == 'wgan':
        loss = -sign * logits.mean()
    elif kind == 'wgan_softplus':
        loss = F.softplus(-sign * logits).mean()
    else:
        raise ValueError(f'unknown gan_type {kind!r}')
    return loss if is_disc else option.get('loss_weight', 1.0) * loss


def sample(features: Tensor, locations: Tensor) -> Tensor:
    """Vectors ``(N, P, C)`` of a map ``(N, C, H, W)`` at P flat locations, ``row * W + column``."""
    rows, columns = locations // features.shape[3], locations % features.shape[3]
    return features[:, :, rows, columns].permute(0, 2, 1)


def _nce(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """Cross-entropy ``(P,)`` of cosine similarities of every query with every key, ``(P, C)`` each."""
    # a vector of zeros, which a small head makes when all its hidden units are off, is similar to nothing
    lengths = query.norm(dim=1).clamp_min(1e-12)[:, None] * key.norm(dim=1).clamp_min(1e-12)[None, :]
    similarity = (query[:, None, :] * key[None, :, :]).sum(dim=2) / lengths
    positives = torch.arange(len(query), device=query.device)
    return F.cross_entropy(similarity / temperature, positives, reduction='none')


def patch_nce(query: Tensor, key: Tensor, temperature: float = 0.07, negatives: str = 'image') -> Tensor:
    """Patch-wise InfoNCE of ``(N, P, C)`` vectors, averaged over locations and images; keys are detached.

    ``negatives``: ``image`` are the other locations of the same image; ``batch`` all other locations of all
    images. In a single process ``global`` is ``batch``; for several, join their batches.
    """
    key = key.detach()
    if negatives == 'image':
        return mean_of([_nce(q, k, temperature).mean() for q, k in zip(query, key, strict=True)])
    if negatives in ('batch', 'global'):
        return _nce(query.flatten(0, 1), key.flatten(0, 1), temperature).mean()
    raise ValueError(f'unknown negatives {negatives!r}')


def d(a: Tensor, b: Tensor) -> Tensor:
    """The distance of section 5 between two things of one image: mean absolute difference."""
    return (a - b).abs().mean()


def intra_ratio(
    anchor: Tensor, positive: Tensor, negatives: Sequence[tuple[float, Tensor]], eps: float = EPS
) -> Tensor:
    """d(anchor, positive) / (sum of weight * d(anchor, negative) + eps), averaged over images.

    Embeddings ``(N, ...)``; ``negatives`` are pairs of weight and embedding. Only the anchor has a gradient.
    """
    ratios = []
    for i in range(len(anchor)):
        far = sum(weight * d(anchor[i], negative[i].detach()) for weight, negative in negatives)
        ratios.append(d(anchor[i], positive[i].detach()) / (far + eps))
    return mean_of(ratios)


def inter_ratio(
    fake: Tensor, again: Tensor, near: Tensor, far: Tensor, pair_weight: float = 0.2, eps: float = EPS
) -> Tensor:
    """The inter ratio of one level from vectors ``(N, P, C)``, averaged over images.

    ``fake`` is the translation, ``again`` the reconstruction, ``near`` the real images of the same domain,
    ``far`` those of the other. The first two carry gradient.
    """
    ratios = []
    for i in range(len(fake)):
        n, f = near[i].detach(), far[i].detach()
        numerator = d(fake[i], n) + d(again[i], n) + pair_weight * d(fake[i], again[i])
        ratios.append(numerator / (d(fake[i], f) + d(again[i], f) + eps))
    return mean_of(ratios)


def inter_vectors(
    features: Tensor, locations: Tensor | None, pooling: str, projection: Tensor | None
) -> Tensor:
    """Unit vectors ``(N, P, K)`` of a map: picked or averaged, projected by ``(C, K)``, normalised."""
    if pooling == 'sample':
        vectors = sample(features, locations)
    elif pooling == 'mean':
        vectors = features.mean(dim=(2, 3))[:, None, :]
    else:
        raise ValueError(f'unknown pooling {pooling!r}')
    if projection is not None:
        vectors = vectors @ projection
    return l2_normalise(vectors)


def sum_over_trained_levels(ratios: Mapping[str, Tensor]) -> Tensor:
    """Sum of all levels divided by the number of those that come out of trained weights."""
    trained = [level for level in ratios if level not in LEVELS_WITHOUT_WEIGHTS]
    if not trained:
        raise ValueError('the method divides by the number of trained levels: give at least one')
    return torch.stack(list(ratios.values())).sum() / len(trained)
