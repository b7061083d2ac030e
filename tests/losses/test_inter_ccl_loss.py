"""InterCCLLoss: the ratio of the method page in a discriminator's feature levels."""

import pytest
import torch
from basicsr.losses import build_loss
from torch.nn import functional as F

from cclgan_plugin.errors import OptionError
from cclgan_plugin.losses import MODELS, InterCCLLoss
from cclgan_plugin.losses.functional import contrastive_ratio

LEVELS = {'image': 3, 'conv2': 4, 'conv3': 6}


def draw(seed, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return {
        level: torch.randn(batch, 7, channels, dtype=torch.float64, generator=generator)
        for level, channels in LEVELS.items()
    }


def distance(a, b):
    return (a - b).abs().mean()


def by_definition(levels, trained, translation, back, positive, negative, project=lambda level, x: x):
    batch = translation['image'].shape[0]
    total = 0
    for i in range(batch):
        for level in levels:
            t, s, p, n = (
                F.normalize(project(level, x[level][i]), dim=-1)
                for x in (translation, back, positive, negative)
            )
            near = distance(t, p) + distance(s, p) + 0.2 * distance(t, s)
            total += near / (distance(t, n) + distance(s, n) + 1e-7) / batch
    return total / trained


@pytest.mark.parametrize('batch', [1, 2, 3])
@pytest.mark.parametrize(
    ('layers', 'trained'),
    [(['image', 'conv2', 'conv3'], 2), (['conv2'], 1), (['image'], 1), (['conv2', 'conv3'], 2)],
)
def test_is_the_sum_over_levels_by_the_number_of_trained_levels(layers, trained, batch):
    loss = InterCCLLoss(loss_weight=0.5, layers=layers)
    features = [draw(seed, batch) for seed in range(4)]
    torch.testing.assert_close(
        loss(*features), 0.5 * by_definition(layers, trained, *features), rtol=1e-11, atol=0
    )


def test_fixed_projection_is_shared_and_the_same_in_every_instance():
    layers = list(LEVELS)
    first, second = (InterCCLLoss(layers=layers, projection='fixed') for _ in range(2))
    features = [draw(seed) for seed in range(4)]

    def project(level, x):
        return x @ first.projection_matrix(level, x.shape[-1])

    assert first.projection_matrix('conv2', 4).shape == (4, 256)
    torch.testing.assert_close(
        first(*features), by_definition(layers, 2, *features, project), rtol=1e-11, atol=0
    )
    assert torch.equal(first(*features), second(*features))
    assert first.state_dict() == {}


def test_mean_pooling_gives_one_vector_per_level():
    loss = InterCCLLoss(layers=['conv2'], pooling='mean')
    x = {'conv2': torch.randn(2, 4, 5, 6)}
    torch.testing.assert_close(loss.vectors(x, None)['conv2'], x['conv2'].mean((2, 3))[:, None])


def test_sampling_takes_the_same_locations_in_every_image():
    loss = InterCCLLoss(layers=['conv2'])
    x = {'conv2': torch.randn(2, 4, 5, 6)}
    vectors = loss.vectors(x, {'conv2': torch.tensor([3, 29])})['conv2']
    torch.testing.assert_close(vectors[1, 1], x['conv2'][1, :, 4, 5])
    with pytest.raises(ValueError, match='needs locations'):
        loss.vectors(x, None)


def test_locations_are_drawn_from_the_maps_that_are_asked_for():
    loss = InterCCLLoss(layers=['conv2'], num_patches=7)
    x = {'conv2': torch.randn(2, 4, 5, 6), 'embedding': torch.randn(2, 8)}
    locations = loss.draw(x, torch.Generator().manual_seed(0))
    assert [(level, where.shape) for level, where in locations.items()] == [('conv2', (7,))]
    assert loss.vectors(x, locations)['conv2'].shape == (2, 7, 4)
    with pytest.raises(ValueError, match=r'draw\(features\) gives them'):
        loss.vectors(x, None)


def test_features_that_cannot_be_compared_are_named():
    loss, x = InterCCLLoss(layers=['conv2']), {'conv2': torch.randn(2, 4, 5, 6)}
    with pytest.raises(ValueError, match=r'"translation" must be vectors .*call vectors\(\) first'):
        loss(x, None, x, x)
    vectors = loss.vectors(x, {'conv2': torch.arange(3)})
    with pytest.raises(ValueError, match=r'"reconstruction" must be vectors'):
        loss(vectors, x, vectors, vectors)
    for locations in ({}, {'con2': torch.arange(3)}):
        with pytest.raises(OptionError, match=r'layers names "conv2", and the locations have no such level'):
            loss.vectors(x, locations)
    with pytest.raises(OptionError, match='Did you mean "con2"'):
        loss.draw({'con2': x['conv2']})


def test_gradient_flows_to_both_generated_images():
    features = [{k: v.requires_grad_() for k, v in draw(seed).items()} for seed in range(2)]
    InterCCLLoss(layers=list(LEVELS))(*features, draw(2), draw(3)).backward()
    assert all(v.grad is not None for f in features for v in f.values())


def test_a_grey_pixel_does_not_blow_the_gradient_up():
    grey = {'image': torch.zeros(1, 7, 3, dtype=torch.float64, requires_grad=True)}
    InterCCLLoss(layers=['image'])(grey, None, draw(2, batch=1), draw(3, batch=1)).backward()
    assert grey['image'].grad.abs().max() < 1e8


def test_without_a_reconstruction_the_translation_alone_is_compared():
    t, p, n = draw(0), draw(1), draw(2)
    expected = sum(contrastive_ratio(*(F.normalize(x[k], dim=-1) for x in (t, p, n))) for k in LEVELS) / 2
    torch.testing.assert_close(InterCCLLoss()(t, None, p, n), expected)


def test_reduced_precision_is_computed_in_float32():
    features = [{k: v.bfloat16() for k, v in draw(seed).items()} for seed in range(4)]
    for projection in ('none', 'fixed'):
        with torch.autocast('cpu', torch.bfloat16):
            value = InterCCLLoss(projection=projection)(*features)
        wide = InterCCLLoss(projection=projection)(*({k: v.double() for k, v in f.items()} for f in features))
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(wide.item(), rel=1e-4)


def test_is_registered_with_basicsr_and_mmengine():
    assert build_loss({'type': 'InterCCLLoss', 'loss_weight': 0.005}).loss_weight == 0.005
    assert isinstance(MODELS.build({'type': 'cclgan.InterCCLLoss'}), InterCCLLoss)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'projection': 'fix'}, 'none, fixed'),
        ({'pooling': 'means'}, 'Did you mean "mean"'),
        ({'num_patches': 0}, 'at least 1'),
        ({'layers': []}, 'at least one'),
        ({'eps': -1}, 'eps must be above 0'),
        ({'pair_weight': -3}, 'pair_weight must be at least 0'),
        ({'loss_weight': 'a'}, "loss_weight must be at least 0, a finite number; got 'a'"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        InterCCLLoss(**options)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_averages_of_half_precision_maps_are_not_rounded(dtype: torch.dtype) -> None:
    """A map's average is far finer than its entries; the distance of two averages needs that."""
    features = {'image': (torch.rand(2, 3, 40, 40) + 1).to(dtype)}
    (pooled,) = InterCCLLoss(layers=['image'], pooling='mean').vectors(features, None).values()
    expected = features['image'].double().mean((2, 3)).unsqueeze(1)
    assert pooled.dtype == torch.float32
    assert (pooled - expected).abs().max() < 1e-5
    wide = {'image': torch.rand(1, 3, 8, 8, dtype=torch.float64)}
    assert InterCCLLoss(layers=['image'], pooling='mean').vectors(wide, None)['image'].dtype == torch.float64


def test_a_projection_that_was_made_in_inference_mode_serves_a_training():
    loss = InterCCLLoss(projection='fixed')
    features = [draw(seed) for seed in range(4)]
    with torch.inference_mode():
        expected = loss(*features)
    trained = {level: x.requires_grad_() for level, x in features[0].items()}
    result = loss(trained, *features[1:])
    result.backward()
    assert torch.equal(result, expected)
    assert all(x.grad is not None for x in trained.values())
