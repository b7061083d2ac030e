"""An encoder is lazy, frozen, shared, and leaves no trace in the training run around it."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
from pathlib import Path
from weakref import WeakValueDictionary

import pytest
import torch
from torch import nn

from cclgan_plugin.encoders import SemanticEncoder, build_encoder, construction, frozen

IMAGES = torch.rand(2, 3, 24, 20, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def nothing_built_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, '_shared', WeakValueDictionary())


@pytest.fixture
def encoder() -> SemanticEncoder:
    return build_encoder({'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_2', 'relu2_1']})


def tower_of(
    encoder: SemanticEncoder, dtype: torch.dtype = torch.float32, products: torch.dtype | None = None
) -> nn.Module:
    return encoder._towers[torch.device('cpu'), dtype, products or dtype]


def test_gradient_reaches_the_images_and_no_weight(encoder: SemanticEncoder) -> None:
    images = IMAGES.clone().requires_grad_()
    sum(feature.sum() for feature in encoder(images)).backward()
    assert images.grad is not None
    assert images.grad.abs().min() > 0
    weights = list(tower_of(encoder).parameters())
    assert weights
    assert all(not weight.requires_grad and weight.grad is None for weight in weights)


def test_gradient_is_right(encoder: SemanticEncoder) -> None:
    images = IMAGES[:1, :, :4, :4].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: encoder(x), images)


def test_owner_does_not_see_the_network(encoder: SemanticEncoder) -> None:
    class Owner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

    owner = Owner()
    before = encoder(IMAGES)
    assert list(owner.state_dict()) == []
    assert list(owner.parameters()) == []
    owner.train().double()
    owner.requires_grad_(True)
    assert all(torch.equal(a, b) for a, b in zip(before, encoder(IMAGES), strict=True))


def test_tower_stays_in_evaluation_mode(encoder: SemanticEncoder) -> None:
    encoder(IMAGES)
    tower = tower_of(encoder).train()
    assert not any(module.training for module in tower.modules())


def test_network_is_built_at_the_first_call_only(
    encoder: SemanticEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    build = type(encoder).build
    monkeypatch.setattr(type(encoder), 'build', lambda self, dtype: built.append(dtype) or build(self, dtype))
    assert built == []
    encoder(IMAGES)
    encoder(IMAGES[:1])
    encoder(IMAGES.bfloat16())
    assert built == [torch.float32]
    encoder(IMAGES.double())
    assert built == [torch.float32, torch.float64]


def test_equal_encoders_share_one_network_and_different_ones_do_not(encoder: SemanticEncoder) -> None:
    options = {'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_2', 'relu2_1']}
    same = build_encoder({**options, 'weight': 0.1, 'layer_weights': [1.0, 2.0]})
    other = build_encoder({**options, 'layers': ['relu1_1']})
    for each in (encoder, same, other):
        each(IMAGES)
    assert tower_of(encoder) is tower_of(same)
    assert tower_of(encoder) is not tower_of(other)


@pytest.mark.parametrize('layers', [['relu1_1'], ['relu1_1', 'relu1_2']])
def test_network_goes_with_its_last_encoder(layers: list[str]) -> None:
    encoders = [
        build_encoder({'type': 'VGG19Encoder', 'weights': 'random', 'layers': layers}) for _ in range(2)
    ]
    for encoder in encoders:
        encoder(IMAGES)
    assert len(frozen._shared) == 1
    del encoders, encoder
    gc.collect()
    assert len(frozen._shared) == 0


@pytest.mark.parametrize('duplicate', [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_carry_the_options_and_not_the_weights(encoder: SemanticEncoder, duplicate) -> None:
    expected = encoder(IMAGES)
    assert len(pickle.dumps(encoder)) < 2000
    twin = duplicate(encoder)
    assert twin._towers == {}
    assert all(torch.equal(a, b) for a, b in zip(expected, twin(IMAGES), strict=True))
    assert tower_of(twin) is tower_of(encoder)


def test_building_leaves_the_global_states_alone(encoder: SemanticEncoder) -> None:
    state = torch.get_rng_state()
    encoder(IMAGES)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_default_dtype() is torch.float32


def test_random_weights_are_the_same_whatever_the_seed_and_the_default_dtype() -> None:
    options = {'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_1']}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = build_encoder(options)
        (expected,) = first(IMAGES)
        del first
        gc.collect()
        torch.manual_seed(2)
        torch.set_default_dtype(torch.float64)
        try:
            (found,) = build_encoder(options)(IMAGES)
        finally:
            torch.set_default_dtype(torch.float32)
    assert torch.equal(expected, found)


def test_first_call_in_inference_mode_leaves_a_network_that_can_be_trained_through(tiny_clip: str) -> None:
    encoder = build_encoder({'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': 'random'})
    with torch.inference_mode():
        encoder(IMAGES)
    images = IMAGES.clone().requires_grad_()
    encoder(images)[0].sum().backward()
    assert images.grad is not None


@pytest.mark.parametrize(
    ('given', 'returned'),
    [(torch.float64, torch.float64), (torch.float32, torch.float32), (torch.bfloat16, torch.float32)],
)
def test_dtype_policy(encoder: SemanticEncoder, given: torch.dtype, returned: torch.dtype) -> None:
    features = encoder(IMAGES.to(given))
    assert {feature.dtype for feature in features} == {returned}
    assert {weight.dtype for weight in tower_of(encoder, returned).parameters()} == {returned}


def test_float64_agrees_with_float32(encoder: SemanticEncoder) -> None:
    for single, double in zip(encoder(IMAGES), encoder(IMAGES.double()), strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kind', ['vgg', 'clip'])
def test_bf16_autocast_rounds_weights_of_products_once_and_hands_out_float32(
    kind: str, tiny_clip: str
) -> None:
    vgg = {'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_2']}
    clip = {'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': 'random'}
    encoder = build_encoder(vgg if kind == 'vgg' else clip)
    (expected,) = encoder(IMAGES)
    images = IMAGES.clone().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        (found,) = encoder(images)
        (unrounded,) = tower_of(encoder)(IMAGES)
    assert found.dtype is torch.float32
    assert not torch.equal(found, expected)  # the products did run in bfloat16
    assert (found - expected).norm() < 0.05 * expected.norm()
    assert torch.equal(found, unrounded.float())  # what autocast itself does at every call
    assert {weight.dtype for weight in tower_of(encoder).parameters()} == {torch.float32}
    tower = tower_of(encoder, products=torch.bfloat16)
    for module in tower.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.weight.dtype == torch.bfloat16
        if isinstance(module, nn.LayerNorm):
            assert module.weight.dtype == torch.float32
    found.sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()


@pytest.mark.parametrize(
    'images', [torch.rand(3, 8, 8), torch.rand(1, 1, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)]
)
def test_other_things_than_images_are_refused(encoder: SemanticEncoder, images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r'\(N, 3, H, W\)'):
        encoder(images)


def test_random_weights_are_reported_once(
    basicsr_log: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(construction, '_warned', set())
    for _ in range(2):
        encoder = build_encoder({'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_1']})
        encoder.check()
        encoder(IMAGES)
    assert [record.levelname for record in basicsr_log] == ['WARNING']
    assert 'random weights' in basicsr_log[0].getMessage()
    assert 'tests and demonstrations only' in basicsr_log[0].getMessage()


def test_a_changed_weights_file_is_another_network(tiny_clip: str, tiny_clip_file: Path) -> None:
    options = {'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': str(tiny_clip_file)}
    before = build_encoder(options)
    (old,) = before(IMAGES)
    content = torch.load(tiny_clip_file, weights_only=True)
    content['state_dict']['visual.proj'].mul_(2)
    content['note'] = 'a different size, should the clock be too coarse'
    torch.save(content, tiny_clip_file)
    (new,) = build_encoder(options)(IMAGES)
    torch.testing.assert_close(new, 2 * old)
