"""LCLLoss: a thin module over patch_nce, usable without BasicSR."""

import pytest
import torch
from basicsr.losses import build_loss

from cclgan_plugin.archs import LCLHead
from cclgan_plugin.errors import OptionError
from cclgan_plugin.losses import MODELS, LCLLoss
from cclgan_plugin.losses.functional import patch_nce

LEVELS = {'a': (3, 6, 5), 'b': (4, 3, 3)}


def maps(seed, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return {
        level: torch.randn(batch, *shape, dtype=torch.float64, generator=generator)
        for level, shape in LEVELS.items()
    }


@pytest.mark.parametrize('negatives', ['image', 'batch'])
def test_is_the_weighted_mean_over_levels_of_patch_nce(negatives):
    torch.manual_seed(0)
    heads = [LCLHead({level: shape[0] for level, shape in LEVELS.items()}, dim=6).double() for _ in range(2)]
    loss = LCLLoss(loss_weight=2.0, temperature=0.1, num_patches=4, layers=list(LEVELS), negatives=negatives)
    query, key = maps(0), maps(1)
    locations = loss.draw(query)
    expected = 0
    for level, where in locations.items():
        assert where.shape == (4,)
        q, k = (torch.stack([x[level].flatten(2)[:, :, i] for i in where], dim=1) for x in (query, key))
        expected += patch_nce(
            heads[0]({level: q})[level], heads[1]({level: k})[level], 0.1, negatives=negatives
        )
    actual = loss(query, key, locations, *heads)
    torch.testing.assert_close(actual, 2.0 * expected / 2, rtol=1e-12, atol=0)


def test_without_heads_and_locations_it_compares_the_features_themselves():
    loss = LCLLoss(layers=list(LEVELS), num_patches=1000)
    same = maps(0)
    expected = torch.stack(
        [patch_nce(x.flatten(2).transpose(1, 2), x.flatten(2).transpose(1, 2)) for x in same.values()]
    ).mean()
    # all locations of these small maps are drawn, in some order
    torch.testing.assert_close(loss(same, same), expected, rtol=1e-12, atol=0)


def test_maps_of_different_sizes_have_no_places_in_common():
    loss = LCLLoss(num_patches=4, layers=['a'])
    with pytest.raises(ValueError, match=r'level "a" is \(6, 5\) in the query and \(12, 10\) in the key'):
        loss({'a': torch.randn(1, 3, 6, 5)}, {'a': torch.randn(1, 3, 12, 10)})


@pytest.mark.parametrize(
    ('given', 'options', 'raised', 'message'),
    [
        (
            (2, 3, 1, 1),
            {},
            ValueError,
            'level "a" has 1 location .its map is 1x1. and, with negatives: image, ',
        ),
        ((1, 3, 1, 1), {'negatives': 'batch'}, ValueError, 'its loss would always be 0'),
        ((2, 30, 8), {}, ValueError, r'level "a" of the query features must be a map .* got \(2, 30, 8\)'),
        ((2, 3, 4, 4), {'layers': ['aa']}, OptionError, 'no such level. Did you mean "a"[?] They have: a, e'),
        (None, {}, ValueError, 'the query features must be a map of levels, got Tensor'),
    ],
)
def test_features_that_cannot_be_compared_are_named(given, options, raised, message):
    x = torch.randn(2, 3, 4, 4) if given is None else {'a': torch.randn(given), 'e': torch.randn(8)}
    with pytest.raises(raised, match=message):
        LCLLoss(**{'layers': ['a']} | options)(x, x)


def test_one_location_in_each_of_several_images_is_enough_for_the_batch():
    x = {'a': torch.randn(2, 3, 1, 1)}
    assert LCLLoss(layers=['a'], negatives='batch')(x, {'a': -x['a']}) > 0


def test_features_nobody_asked_for_may_stand_beside_the_others():
    """An embedding, say, which has no places."""
    maps_and_more = {'e': torch.randn(8), 'a': torch.randn(2, 3, 4, 4)}
    loss = LCLLoss(layers=['a'])
    assert list(loss.draw(maps_and_more)) == ['a']
    assert loss(maps_and_more, maps_and_more, {'a': torch.arange(4), 'e': torch.arange(2)}) > 0
    with pytest.raises(OptionError, match='the locations have no such level'):
        loss(maps_and_more, maps_and_more, {})


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_heads_take_features_of_another_precision(dtype):
    """Those of an autocast that has ended, for example."""
    head = LCLHead({'a': 3}, dim=6)
    x = torch.randn(1, 3, 6, 5).to(dtype).requires_grad_()
    loss = LCLLoss(num_patches=4, layers=['a'])({'a': x}, {'a': x.detach().roll(1, -1)}, None, head, head)
    loss.backward()
    assert loss.dtype == torch.float32
    assert x.grad.abs().max() > 0


def test_keys_and_their_head_get_no_gradient():
    query = {level: x.requires_grad_() for level, x in maps(0).items()}
    key = {level: x.requires_grad_() for level, x in maps(1).items()}
    heads = [LCLHead({level: shape[0] for level, shape in LEVELS.items()}, dim=6).double() for _ in range(2)]
    LCLLoss(layers=list(LEVELS))(query, key, None, *heads).backward()
    assert all(x.grad is not None for x in query.values())
    assert all(p.grad is not None for p in heads[0].parameters())
    assert all(x.grad is None for x in key.values())
    assert all(p.grad is None for p in heads[1].parameters())


def test_is_registered_with_basicsr_and_mmengine():
    from mmengine.registry import MODELS as ROOT

    options = {'loss_weight': 3.0, 'layers': ['a']}
    assert build_loss({'type': 'LCLLoss', **options}).loss_weight == 3.0
    for registry in (MODELS, ROOT):
        assert isinstance(registry.build({'type': 'cclgan.LCLLoss', **options}), LCLLoss)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'temperature': 0}, 'temperature must be above 0'),
        ({'num_patches': 1}, r'num_patches must be at least 2 \(one positive and one negative\)'),
        ({'num_patches': 4.0}, 'num_patches must be at least 2 .*, a whole number; got 4.0'),
        ({'temperature': float('nan')}, 'temperature must be above 0, a finite number; got nan'),
        ({'temperature': '0.07'}, "temperature must be above 0, a finite number; got '0.07'"),
        ({'loss_weight': -1}, 'loss_weight must be at least 0, a finite number; got -1'),
        ({'negatives': 'imgae'}, 'Did you mean "image"'),
        ({'terms': ['translations']}, 'Did you mean "translation"'),
        ({'terms': []}, 'at least one'),
        ({'layers': 'down1'}, 'must be a list'),
        ({'layers': ['down1', 'down1']}, 'twice'),
        ({'cycle_encoders': 'releese'}, 'Did you mean "release"'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        LCLLoss(**options)
