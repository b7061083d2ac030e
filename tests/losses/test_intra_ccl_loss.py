"""IntraCCLLoss: the ratios of the method page, over frozen encoders that nobody trains or saves."""

import copy

import pytest
import torch
from basicsr.losses import build_loss

from cclgan_plugin.errors import OptionError
from cclgan_plugin.losses import MODELS, IntraCCLLoss
from cclgan_plugin.losses.functional import contrastive_ratio


class TwoLayers:
    """A frozen encoder in miniature: two linear layers on the mean colour."""

    layer_weights = (1.0, 0.25)

    def __init__(self, seed, weight):
        self.weight = weight
        generator = torch.Generator().manual_seed(seed)
        self.a, self.b = (torch.randn(3, n, dtype=torch.float64, generator=generator) for n in (4, 2))
        self.batches = []

    def __call__(self, images):
        self.batches.append((len(images), torch.is_grad_enabled()))
        colour = images.mean((2, 3))
        return colour @ self.a, torch.tanh(colour @ self.b)


@pytest.fixture
def loss(monkeypatch):
    from cclgan_plugin.losses import intra_ccl_loss

    monkeypatch.setattr(intra_ccl_loss, 'build_encoder', lambda opt: TwoLayers(opt['seed'], opt['weight']))

    def make(**options):
        return IntraCCLLoss(encoder=[{'seed': 0, 'weight': 1.0}, {'seed': 1, 'weight': 0.5}], **options)

    return make


def images(count, batch=2):
    generator = torch.Generator().manual_seed(5)
    return [torch.rand(batch, 3, 4, 5, dtype=torch.float64, generator=generator) for _ in range(count)]


def expected_ratio(loss, anchor, positives, negatives, weights=None):
    total = 0
    for encoder in loss.encoders:
        for i, layer_weight in enumerate(encoder.layer_weights):
            feature = [[encoder(x)[i] for x in group] for group in ([anchor], positives, negatives)]
            total += (
                encoder.weight
                * layer_weight
                * contrastive_ratio(
                    feature[0][0], feature[1], feature[2], negative_weights=weights, eps=loss.eps
                )
            )
    return total


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('anchors', [['reconstruction'], ['translation'], ['reconstruction', 'translation']])
def test_cycles_are_the_equations_of_the_method_page(loss, anchors, batch):
    loss = loss(anchors=anchors, loss_weight=3.0)
    r, c, derained, rained, r_back, c_back = images(6, batch)
    expected = 0
    if 'reconstruction' in anchors:
        expected += 0.5 * expected_ratio(loss, r_back, [r], [c, derained], [1.0, 0.1])
        expected += 0.5 * expected_ratio(loss, c_back, [c], [r, rained], [1.0, 0.1])
    if 'translation' in anchors:
        expected += 0.5 * expected_ratio(loss, derained, [c], [r])
        expected += 0.5 * expected_ratio(loss, rained, [r], [c])
    torch.testing.assert_close(loss.cycles(r, c, derained, rained, r_back, c_back), 3.0 * expected)


def test_only_the_anchors_get_a_gradient_and_each_image_is_embedded_once(loss):
    loss = loss()
    made = [x.requires_grad_() for x in images(6, batch=1)]
    loss.cycles(*made).backward()
    assert [x.grad is not None for x in made] == [False] * 4 + [True] * 2
    for encoder in loss.encoders:
        assert sorted(encoder.batches) == [(2, True), (4, False)]


def test_one_anchor_against_positives_and_negatives(loss):
    loss = loss(loss_weight=2.0)
    anchor, near, far = images(3)
    torch.testing.assert_close(loss(anchor, near, far), 2.0 * expected_ratio(loss, anchor, [near], [far]))
    assert loss.encoders[0].batches[:2] == [(4, False), (2, True)]


def test_the_encoders_are_outside_the_module():
    loss = build_loss({'type': 'IntraCCLLoss', 'encoder': {'type': 'VGG19Encoder', 'weights': 'random'}})
    x = torch.rand(1, 3, 16, 16)
    loss(x, x.flip(3), 1 - x)
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []
    assert copy.deepcopy(loss)(x, x.flip(3), 1 - x) == loss(x, x.flip(3), 1 - x)


def test_is_registered_with_mmengine():
    options = {'type': 'cclgan.IntraCCLLoss', 'encoder': {'type': 'VGG19Encoder', 'weights': 'random'}}
    assert isinstance(MODELS.build(options), IntraCCLLoss)


def test_wrong_options_are_named(loss):
    with pytest.raises(OptionError, match='Did you mean "translation"'):
        loss(anchors=['translations'])
    with pytest.raises(OptionError, match='eps must be above 0, a finite number; got -1'):
        loss(eps=-1)
    with pytest.raises(OptionError, match='translation_weight must be at least 0'):
        loss(translation_weight=-1)
    with pytest.raises(OptionError, match='loss_weight must be at least 0'):
        loss(loss_weight=True)
    with pytest.raises(OptionError, match='names no encoder'):
        IntraCCLLoss(encoder=[])
    with pytest.raises(ValueError, match='needs both reconstructions'):
        loss().cycles(*images(4))


@pytest.mark.parametrize(
    ('encoder', 'got'),
    [
        ('CLIPEncoder', "'CLIPEncoder'"),
        (['CLIPEncoder'], "'CLIPEncoder'"),
        (torch.nn.Conv2d(3, 3, 1), 'Conv2d'),
        (None, 'None'),
    ],
)
def test_an_encoder_is_given_by_its_options(encoder, got):
    with pytest.raises(OptionError, match=f'encoder must be the options of a frozen encoder, .* got {got}'):
        IntraCCLLoss(encoder)


def test_batches_of_different_sizes_are_refused(loss):
    loss = loss()
    (one,), (two, other) = images(1, batch=1), images(2)
    for positives, negatives in (([two], [one]), ([one], [one]), ([one, two], [other])):
        with pytest.raises(ValueError, match=r'equal shape, got .*\(1, 3, 4, 5\)'):
            loss(two, positives, negatives)
    with pytest.raises(ValueError, match='equal shape'):
        loss.embed([two, one])
    with pytest.raises(ValueError, match='equal shape'):
        loss.cycles(two, two, two, two, one, one)
