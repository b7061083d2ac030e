"""The losses' mathematics against slow loops written from the equations, in every dtype."""

import math

import pytest
import torch
from torch.nn import functional as F

from cclgan_plugin.losses.functional import (
    contrastive_ratio,
    cycle_contrastive_ratio,
    mean_distance,
    patch_nce,
)


def draw(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def nce_by_loops(query, key, temperature, negatives):
    """Cosine similarities one by one, and a cross-entropy written out."""
    n, p, _ = query.shape
    total = 0.0
    for image in range(n):
        for location in range(p):
            q = query[image, location]
            candidates = [(image, j) for j in range(p)]
            if negatives == 'batch':
                candidates = [(i, j) for i in range(n) for j in range(p)]
            scores = {c: (q @ key[c] / (q.norm() * key[c].norm())).item() / temperature for c in candidates}
            total += -math.log(math.exp(scores[image, location]) / sum(math.exp(s) for s in scores.values()))
    return total / (n * p)


@pytest.mark.parametrize('batch', [1, 2, 3])
@pytest.mark.parametrize('negatives', ['image', 'batch'])
@pytest.mark.parametrize('temperature', [0.07, 0.5])
def test_patch_nce_equals_the_loops(batch, negatives, temperature):
    query, key = draw(batch, 5, 4), draw(batch, 5, 4, seed=1)
    loss = patch_nce(query, key, temperature, negatives=negatives)
    assert loss.item() == pytest.approx(nce_by_loops(query, key, temperature, negatives), rel=1e-12)


def test_patch_nce_takes_unit_vectors_as_they_are():
    query, key = F.normalize(draw(2, 5, 4), dim=-1), F.normalize(draw(2, 5, 4, seed=1), dim=-1)
    assert patch_nce(query, key, normalized=True).item() == pytest.approx(
        patch_nce(query, key).item(), rel=1e-12
    )
    longer = patch_nce(2 * query, key, normalized=True)
    assert longer.item() != pytest.approx(patch_nce(query, key).item(), rel=1e-3)


def test_patch_nce_of_equal_vectors_is_the_logarithm_of_their_number():
    same = torch.ones(2, 8, 3, dtype=torch.float64)
    assert patch_nce(same, same).item() == pytest.approx(math.log(8), rel=1e-12)
    assert patch_nce(same, same, negatives='batch').item() == pytest.approx(math.log(16), rel=1e-12)


def test_patch_nce_of_a_vector_of_zeros_has_a_gradient_like_others():
    """Such as a black pixel; 1 / eps would be 1e12 of it."""
    query = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    query[0, 2] = 0
    query.requires_grad_()
    patch_nce(query, torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(1))).backward()
    assert 0 < query.grad[0, 2].norm() < 100


def test_global_negatives_equal_batch_negatives_in_one_process():
    query, key = draw(2, 5, 4), draw(2, 5, 4, seed=1)
    assert torch.equal(patch_nce(query, key, negatives='global'), patch_nce(query, key, negatives='batch'))


@pytest.mark.parametrize('negatives', ['image', 'batch'])
def test_patch_nce_gradient_reaches_the_query_only(negatives):
    query, key = draw(2, 4, 3).requires_grad_(), draw(2, 4, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda q: patch_nce(q, key.detach(), negatives=negatives), query)
    patch_nce(query, key, negatives=negatives).backward()
    assert query.grad is not None
    assert key.grad is None


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float32, 1e-5), (torch.bfloat16, 1e-5)])
def test_reduced_precision_is_computed_in_float32(dtype, tolerance):
    query, key = draw(2, 16, 8, dtype=dtype), draw(2, 16, 8, dtype=dtype, seed=1)
    for loss, expected in (
        (patch_nce(query, key), patch_nce(query.double(), key.double())),
        (contrastive_ratio(query, key, -key), contrastive_ratio(query.double(), key.double(), -key.double())),
    ):
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected.item(), rel=tolerance)
    with torch.autocast('cpu', torch.bfloat16):
        assert patch_nce(query, key).item() == pytest.approx(
            patch_nce(query.double(), key.double()).item(), rel=1e-5
        )


def test_float64_stays_float64():
    assert patch_nce(draw(1, 3, 2), draw(1, 3, 2)).dtype == torch.float64
    assert contrastive_ratio(draw(1, 3), draw(1, 3, seed=1), draw(1, 3, seed=2)).dtype == torch.float64


@pytest.mark.parametrize(
    ('arguments', 'options', 'message'),
    [
        ((draw(2, 3), draw(2, 3)), {}, r'shape \(N, P, C\)'),
        ((draw(1, 3, 2), draw(1, 4, 2)), {}, r'\(1, 3, 2\) and \(1, 4, 2\)'),
        ((draw(1, 3, 2), draw(1, 3, 2)), {'temperature': 0.0}, 'temperature must be above 0'),
        ((draw(1, 3, 2), draw(1, 3, 2)), {'negatives': 'images'}, "one of .*'image'"),
        ((draw(1, 3, 2), draw(1, 3, 2).float()), {}, 'one floating-point type, got .*float64 and .*float32'),
        ((draw(1, 3, 2).long(), draw(1, 3, 2).long()), {}, 'one floating-point type, got .*int64'),
        ((draw(2, 0, 2), draw(2, 0, 2)), {}, r'nothing to compare in \(2, 0, 2\)'),
    ],
)
def test_patch_nce_names_what_is_wrong(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        patch_nce(*arguments, **options)


def distance_by_loops(a, b):
    a, b = a.flatten().tolist(), b.flatten().tolist()
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)


@pytest.mark.parametrize('shape', [(4,), (3, 2, 2)])
@pytest.mark.parametrize('batch', [1, 2, 3])
def test_contrastive_ratio_equals_the_loops(batch, shape):
    anchor, p1, p2, n1, n2 = (draw(batch, *shape, seed=s) for s in range(5))
    ratio = contrastive_ratio(anchor, [p1, p2], [n1, n2], [1.0, 0.5], [1.0, 0.1], eps=1e-3)
    expected = 0.0
    for i in range(batch):
        near = distance_by_loops(anchor[i], p1[i]) + 0.5 * distance_by_loops(anchor[i], p2[i])
        far = distance_by_loops(anchor[i], n1[i]) + 0.1 * distance_by_loops(anchor[i], n2[i])
        expected += near / (far + 1e-3) / batch
    assert ratio.item() == pytest.approx(expected, rel=1e-12)
    assert contrastive_ratio(anchor, p1, n1).item() == pytest.approx(
        contrastive_ratio(anchor, [p1], [n1], [1.0], [1.0]).item(), rel=1e-14
    )


@pytest.mark.parametrize('batch', [1, 3])
def test_cycle_contrastive_ratio_equals_the_loops(batch):
    t, s, p, n = (draw(batch, 5, 2, seed=k) for k in range(4))
    expected = 0.0
    for i in range(batch):
        near = (
            distance_by_loops(t[i], p[i])
            + distance_by_loops(s[i], p[i])
            + 0.2 * distance_by_loops(t[i], s[i])
        )
        far = distance_by_loops(t[i], n[i]) + distance_by_loops(s[i], n[i])
        expected += near / (far + 1e-7) / batch
    assert cycle_contrastive_ratio(t, s, p, n).item() == pytest.approx(expected, rel=1e-12)


def test_ratio_gradients():
    t, s, p, n = (draw(2, 3, 2, seed=k).requires_grad_() for k in range(4))
    assert torch.autograd.gradcheck(cycle_contrastive_ratio, (t, s, p, n))
    assert torch.autograd.gradcheck(contrastive_ratio, (t, p, n))


def test_ratio_is_finite_where_everything_coincides():
    same = draw(1, 4).requires_grad_()
    ratio = contrastive_ratio(same, same.detach(), same.detach())
    ratio.backward()
    assert ratio.item() == 0
    assert torch.isfinite(same.grad).all()


def test_ratio_names_what_is_wrong():
    with pytest.raises(ValueError, match='shapes differ'):
        mean_distance(draw(2, 3), draw(2, 4))
    with pytest.raises(ValueError, match=r'floating-point features, got torch\.uint8'):
        mean_distance(draw(2, 3).byte(), draw(2, 3).byte())
    with pytest.raises(ValueError, match='0 negatives'):
        contrastive_ratio(draw(2, 3), draw(2, 3), [])
    with pytest.raises(ValueError, match='1 positives with 2 weights'):
        contrastive_ratio(draw(2, 3), draw(2, 3), draw(2, 3), positive_weights=[1, 2])
