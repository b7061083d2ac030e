"""The mathematics of CCLGAN's contrastive losses: pure functions on tensors.

Equations: C. Zhao et al., "Cycle Contrastive Adversarial Learning for Unsupervised image Deraining",
arXiv 2407.11750 (2024); patch-wise InfoNCE after T. Park et al., CUT, ECCV 2020. All functions take
float64, float32, float16 or bfloat16; soft-maxima, distances and ratios are computed in float32 or wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.archs.unit_vectors import unit_vectors
from cclgan_plugin.kernels import compares
from cclgan_plugin.losses.gather import gather_batches

NEGATIVES = ('image', 'batch', 'global')


def patch_nce(
    query: Tensor,
    key: Tensor,
    temperature: float = 0.07,
    *,
    normalized: bool = False,
    negatives: str = 'image',
) -> Tensor:
    """Patch-wise InfoNCE: each query must be nearest to the key of its own location.

    With unit vectors q, k the loss of location i is ``-log(exp(q_i k_i / T) / sum_j exp(q_i k_j / T))``;
    the keys carry no gradient.

    Args:
        query: ``(N, P, C)``: P sampled vectors of each of N images.
        key: ``(N, P, C)``, row i of an image belonging to row i of its query.
        temperature: T, above 0.
        normalized: whether both are unit vectors already; otherwise they are divided by their L2 norms
            (zeros stay zeros).
        negatives: whose keys j runs over: the same ``'image'`` (P), the whole ``'batch'`` (N P), or the
            batches of all processes (``'global'``; equal to ``'batch'`` where nothing is distributed).

    Returns:
        The mean over N and P, a scalar in the dtype of the query, at least float32.

    Raises:
        ValueError: shapes or dtypes that do not fit, no location, a temperature of 0 or below, or an unknown
            ``negatives``.
    """
    if query.dim() != 3 or query.shape != key.shape:
        raise ValueError(
            f'patch_nce: query and key must have the same shape (N, P, C), got {tuple(query.shape)} '
            f'and {tuple(key.shape)}'
        )
    if not query.numel():
        raise ValueError(f'patch_nce: there is nothing to compare in {tuple(query.shape)}')
    if temperature <= 0:
        raise ValueError(f'patch_nce: temperature must be above 0, got {temperature}')
    if negatives not in NEGATIVES:
        raise ValueError(f'patch_nce: negatives must be one of {NEGATIVES}, got {negatives!r}')
    query, key = at_least_float32(query), at_least_float32(key.detach())
    if query.dtype != key.dtype or not query.is_floating_point():
        raise ValueError(
            f'patch_nce: query and key must be of one floating-point type, got {query.dtype} and {key.dtype}'
        )
    if not normalized:
        query, key = unit_vectors(query), unit_vectors(key)
    # Autocast would do this product in bfloat16, whose rounding, over T, is of the size of the loss.
    with torch.autocast(query.device.type, enabled=False):
        if negatives == 'image':
            logits = torch.bmm(query, key.transpose(1, 2)) / temperature
            positive = logits.diagonal(dim1=1, dim2=2)
            return (torch.logsumexp(logits, dim=2) - positive).mean()
        candidates = key.flatten(0, 1)
        first = 0
        if negatives == 'global':
            candidates, first = gather_batches(candidates)
        flat = query.flatten(0, 1)
        logits = flat @ candidates.T / temperature
        positive = logits.diagonal(offset=first)
        return (torch.logsumexp(logits, dim=1) - positive).mean()


def mean_distance(a: Tensor, b: Tensor) -> Tensor:
    """d(a, b): the mean absolute difference of each image's features.

    Args:
        a: ``(N, ...)``.
        b: of the same shape.

    Returns:
        ``(N,)`` in float32 or wider.

    Raises:
        ValueError: shapes that differ, or whole numbers, such as images of 8 bits.
    """
    if a.shape != b.shape:
        raise ValueError(f'mean_distance: shapes differ, {tuple(a.shape)} and {tuple(b.shape)}')
    if not (a.is_floating_point() and b.is_floating_point()):
        raise ValueError(f'mean_distance: expected floating-point features, got {a.dtype} and {b.dtype}')
    return _MeanDistance.apply(a, b)


class _MeanDistance(torch.autograd.Function):
    """Holds the features, which others hold too, instead of their difference, which nobody else has."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        if compares(a, b):
            from cclgan_plugin.kernels.distances import mean_differences

            return mean_differences(a, b)
        distance = (at_least_float32(a) - at_least_float32(b)).abs_()
        return distance.flatten(1).mean(1) if distance.dim() > 1 else distance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        scale = grads[0] / (a[0].numel() if a.dim() > 1 else 1)
        # Not where somebody differentiates the gradient: nothing is known of what a kernel has done.
        if compares(a, b) and not torch.is_grad_enabled():
            from cclgan_plugin.kernels.distances import signs

            of_a, of_b = ctx.needs_input_grad
            return signs(a, b, scale) if of_a else None, signs(b, a, scale) if of_b else None
        towards_a = (at_least_float32(a) - at_least_float32(b)).sign() * scale.view(-1, *[1] * (a.dim() - 1))
        grad_a = towards_a.to(a.dtype) if ctx.needs_input_grad[0] else None
        grad_b = -towards_a.to(b.dtype) if ctx.needs_input_grad[1] else None
        return grad_a, grad_b


def contrastive_ratio(
    anchor: Tensor,
    positives: Tensor | Sequence[Tensor],
    negatives: Tensor | Sequence[Tensor],
    positive_weights: Sequence[float] | None = None,
    negative_weights: Sequence[float] | None = None,
    eps: float = 1e-7,
) -> Tensor:
    """Near the positives over far from the negatives, per image, averaged over the images.

    ``mean_n( sum_i v_i d(a, p_i) / (sum_j w_j d(a, n_j) + eps) )`` with d of :func:`mean_distance`
    (method: section 5). Gradient flows to every argument that asks for it; detach what is only a target.

    Args:
        anchor: ``(N, ...)``.
        positives: one tensor or several, of the anchor's shape.
        negatives: one tensor or several, of the anchor's shape.
        positive_weights: v, one for each positive; 1 by default.
        negative_weights: w, one for each negative; 1 by default.
        eps: keeps the ratio finite where anchor and negatives coincide.

    Returns:
        A scalar, at least 0, in float32 or wider.

    Raises:
        ValueError: shapes, or numbers of weights, that do not fit; nothing to compare with.
    """
    near = _weighted_distance(anchor, positives, positive_weights, 'positives')
    far = _weighted_distance(anchor, negatives, negative_weights, 'negatives')
    return (near / (far + eps)).mean()


def _weighted_distance(
    anchor: Tensor, others: Tensor | Sequence[Tensor], weights: Sequence[float] | None, name: str
) -> Tensor:
    others = [others] if isinstance(others, Tensor) else list(others)
    weights = [1.0] * len(others) if weights is None else list(weights)
    if not others or len(others) != len(weights):
        raise ValueError(f'contrastive_ratio: {len(others)} {name} with {len(weights)} weights')
    total = weights[0] * mean_distance(anchor, others[0])
    for weight, other in zip(weights[1:], others[1:], strict=True):
        total = total + weight * mean_distance(anchor, other)
    return total


def cycle_contrastive_ratio(
    translation: Tensor,
    reconstruction: Tensor,
    positive: Tensor,
    negative: Tensor,
    pair_weight: float = 0.2,
    eps: float = 1e-7,
) -> Tensor:
    """Inter-CCL at one feature level: both generated images near their domain, away from the other.

    ``( d(t, p) + d(s, p) + 0.2 d(t, s) ) / ( d(t, n) + d(s, n) + eps )`` for the translation t and the
    reconstruction s of one domain, per image, averaged over the images (method: section 5).

    Args:
        translation: ``(N, ...)`` features of the translated image, e.g. c^.
        reconstruction: of the same shape, the reconstruction of the same domain, e.g. c~.
        positive: of the same shape, a real image of that domain.
        negative: of the same shape, a real image of the other domain.
        pair_weight: weight of d(t, s).
        eps: keeps the ratio finite.

    Returns:
        A scalar, at least 0, in float32 or wider.
    """
    near = mean_distance(translation, positive) + mean_distance(reconstruction, positive)
    near = near + pair_weight * mean_distance(translation, reconstruction)
    far = mean_distance(translation, negative) + mean_distance(reconstruction, negative)
    return (near / (far + eps)).mean()
