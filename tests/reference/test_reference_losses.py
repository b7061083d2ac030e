"""The losses by hand on a few numbers, and where they carry gradient and where not."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from .losses import gan, inter_ratio, inter_vectors, intra_ratio, patch_nce, sample, sum_over_trained_levels
from .samples import noise


@pytest.mark.parametrize(
    ('gan_type', 'real', 'fake', 'asked'),
    [
        ('hinge', (0 + 4) / 2, (3 + 0) / 2, 0.5),
        ('lsgan', (1 + 16) / 2, (4 + 9) / 2, (1 + 16) / 2),
        ('wgan', 0.5, -0.5, 0.5),
    ],
)
def test_gan_by_hand(gan_type: str, real: float, fake: float, asked: float) -> None:
    logits = torch.tensor([2.0, -3.0], dtype=torch.float64)
    option = {'gan_type': gan_type, 'loss_weight': 3.0}
    assert gan(logits, True, True, option).item() == pytest.approx(real)
    assert gan(logits, False, True, option).item() == pytest.approx(fake)
    assert gan(logits, True, False, option).item() == pytest.approx(3 * asked)


@pytest.mark.parametrize('is_real', [True, False])
def test_the_logistic_gan_losses_are_binary_cross_entropy(is_real: bool) -> None:
    logits = noise(7)
    expected = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))
    for gan_type in ('vanilla', 'wgan_softplus'):
        found = gan(logits, is_real, True, {'gan_type': gan_type})
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_sampling_reads_row_by_row() -> None:
    features = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert sample(features, torch.tensor([5, 0, 11]))[0, :, 0].tolist() == [5.0, 0.0, 11.0]


def test_patch_nce_by_hand() -> None:
    # image 1: query 0 is its key, query 1 is orthogonal to its own and equal to the other;
    # image 2: both queries at 45 degrees between the keys
    query = torch.tensor([[[2.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [3.0, 3.0]]], dtype=torch.float64)
    key = torch.tensor([[[5.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    t = 0.5
    near, far, half = math.exp(1 / t), 1.0, math.exp(math.sqrt(0.5) / t)
    within = [near / (near + far), far / (near + far), 0.5, 0.5]
    across = [near / (2 * near + 2 * far), far / (2 * near + 2 * far), half / (4 * half), half / (4 * half)]
    for negatives, shares in (('image', within), ('batch', across)):
        expected = -sum(math.log(share) for share in shares) / 4
        assert patch_nce(query, key, t, negatives).item() == pytest.approx(expected, rel=1e-12)


def test_patch_nce_takes_a_vector_of_zeros_as_similar_to_nothing() -> None:
    query, key = torch.zeros(1, 3, 4, dtype=torch.float64), noise(1, 3, 4)
    assert patch_nce(query, key).item() == pytest.approx(math.log(3), rel=1e-12)


def test_patch_nce_has_a_gradient_for_the_query_only() -> None:
    query, key = noise(2, 3, 4).requires_grad_(), noise(2, 3, 4, seed=1).requires_grad_()
    patch_nce(query, key).backward()
    assert query.grad is not None
    assert key.grad is None
    assert torch.autograd.gradcheck(lambda q: patch_nce(q, key, 0.3, 'batch'), query)


def test_intra_ratio_by_hand_and_its_gradient() -> None:
    def embedding(*rows: float) -> Tensor:
        return torch.tensor(rows, dtype=torch.float64)[:, None]

    found = intra_ratio(embedding(0, 1), embedding(1, 4), [(1.0, embedding(2, 0)), (0.1, embedding(10, 11))])
    assert found.item() == pytest.approx((1 / (2 + 1 + 1e-7) + 3 / (1 + 1 + 1e-7)) / 2, rel=1e-12)
    anchor, others = noise(2, 4).requires_grad_(), [noise(2, 4, seed=i).requires_grad_() for i in (1, 2, 3)]

    def ratio(a: Tensor) -> Tensor:
        return intra_ratio(a, others[0], [(1.0, others[1]), (0.1, others[2])])

    assert torch.autograd.gradcheck(ratio, anchor)
    ratio(anchor).backward()
    assert all(other.grad is None for other in others)


def test_inter_ratio_by_hand_and_its_gradient() -> None:
    def vectors(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)[:, None, None]

    found = inter_ratio(vectors(0, 1), vectors(2, 1), vectors(1, 3), vectors(5, 0))
    expected = ((1 + 1 + 0.4) / (5 + 3 + 1e-7) + (2 + 2 + 0) / (1 + 1 + 1e-7)) / 2
    assert found.item() == pytest.approx(expected, rel=1e-12)
    fake, again = noise(2, 3, 2).requires_grad_(), noise(2, 3, 2, seed=1).requires_grad_()
    near, far = (noise(2, 3, 2, seed=i).requires_grad_() for i in (2, 3))
    assert torch.autograd.gradcheck(lambda a, b: inter_ratio(a, b, near, far), (fake, again))
    inter_ratio(fake, again, near, far).backward()
    assert near.grad is None
    assert far.grad is None


def test_inter_vectors_are_picked_or_averaged_then_projected_then_normalised() -> None:
    features, matrix = noise(2, 3, 4, 5), noise(3, 6, seed=1)
    places = torch.tensor([7, 0])
    picked = inter_vectors(features, places, 'sample', matrix)
    expected = features[1, :, 1, 2] @ matrix
    torch.testing.assert_close(picked[1, 0], expected / expected.norm())
    averaged = inter_vectors(features, None, 'mean', None)
    expected = features[0].mean(dim=(1, 2))
    assert averaged.shape == (2, 1, 3)
    torch.testing.assert_close(averaged[0, 0], expected / expected.norm())


def test_levels_are_summed_over_the_number_of_trained_ones() -> None:
    ratios = {level: torch.tensor(value) for level, value in (('image', 1.0), ('conv2', 2.0), ('conv3', 5.0))}
    assert sum_over_trained_levels(ratios).item() == 4.0
    with pytest.raises(ValueError, match='trained levels'):
        sum_over_trained_levels({'image': torch.tensor(1.0)})
