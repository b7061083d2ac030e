"""The networks on our kernels: the same images and gradients as without them, of any order."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip('triton')

from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator
from cclgan_plugin.kernels import compares, fits, fitting, works_on
from cclgan_plugin.losses.functional import contrastive_ratio

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


class Switch:
    """Says which tensors the kernels take, as if there were a card, and counts how often it says yes."""

    def __init__(self) -> None:
        self.on = False
        self.taken = 0

    def takes(self, x: Tensor) -> bool:
        taken = self.on and x.dtype in fitting.DTYPES
        self.taken += taken
        return taken


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Switch:
    found = Switch()
    monkeypatch.setattr(fitting, '_takes', found.takes)
    return found


def channels_last(x: Tensor) -> Tensor:
    return x.to(DEVICE).contiguous(memory_format=torch.channels_last)


def agree(switch: Switch, compute: Callable[[], list[Tensor]], at_least: int) -> None:
    """Within what a rectifier does that rounding turns around: a piece of the gradient changes."""
    plain = compute()
    assert switch.taken == 0
    switch.on = True
    found = compute()
    assert switch.taken >= at_least
    largest = max(x.norm().item() for x in plain)
    for a, b in zip(plain, found, strict=True):
        # A bias before a norm has a gradient of rounding errors.
        assert (a - b).norm().item() < 0.05 * max(a.norm().item(), 0.01 * largest)


def prepared(net: nn.Module) -> nn.Module:
    """In channels-last, and with biases that can be seen."""
    torch.manual_seed(1)
    for name, p in net.named_parameters():
        if name.endswith('bias'):
            nn.init.normal_(p, std=0.5)
    return net.to(DEVICE).to(memory_format=torch.channels_last)


@pytest.mark.parametrize('options', [{}, {'norm': 'none'}, {'anti_alias': False}, {'skips': True}])
def test_generator(switch: Switch, options: dict) -> None:
    torch.manual_seed(0)
    net = prepared(CCLGANGenerator(width=4, num_blocks=1, **options))
    x = channels_last(torch.rand(2, 3, 18, 22))

    def compute() -> list[Tensor]:
        net.zero_grad()
        image, features = net.forward_features(x, ('down1', 'down2', 'block1'))
        (image.square().mean() + sum(f.square().mean() for f in features.values())).backward()
        return [image.detach(), *(p.grad.clone() for p in net.parameters() if p.grad is not None)]

    agree(switch, compute, at_least=8)


@pytest.mark.parametrize('frozen', [False, True])
def test_discriminator(switch: Switch, frozen: bool) -> None:
    torch.manual_seed(0)
    net = prepared(CCLGANDiscriminator(width=4)).requires_grad_(not frozen)
    images = channels_last(torch.rand(2, 3, 33, 30))
    locations = {name: torch.arange(5, device=DEVICE) * 3 for name in ('image', 'conv2', 'conv3')}

    def compute() -> list[Tensor]:
        net.zero_grad()
        x = images.clone(memory_format=torch.channels_last).requires_grad_()
        logits, _ = net.forward_features(x)
        sampled = net.features_at(x, locations)
        (logits.square().mean() + sum(f.square().mean() for f in sampled.values())).backward()
        assert x.grad is not None
        weights = [p.grad.clone() for p in net.parameters() if p.grad is not None]
        assert bool(weights) != frozen
        return [logits.detach(), x.grad, *weights]

    agree(switch, compute, at_least=8)


def test_gradient_penalty(switch: Switch) -> None:
    """R1: the gradient of a gradient's length, through norm, rectifier, bias and blur."""
    torch.manual_seed(0)
    net = prepared(CCLGANDiscriminator(width=4))
    images = channels_last(torch.rand(1, 3, 33, 30))

    def compute() -> list[Tensor]:
        net.zero_grad()
        x = images.clone(memory_format=torch.channels_last).requires_grad_()
        (gradient,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        gradient.square().sum().backward()
        return [gradient.detach(), *(p.grad.clone() for p in net.parameters() if p.grad is not None)]

    agree(switch, compute, at_least=8)


def test_contrastive_ratio(switch: Switch) -> None:
    generator = torch.Generator().manual_seed(0)
    anchor, near, far = torch.rand((3, 2, 5, 6, 7), generator=generator).to(DEVICE)

    def compute() -> list[Tensor]:
        leaf = anchor.clone().requires_grad_()
        ratio = contrastive_ratio(leaf, near, [far, near])
        ratio.backward()
        assert leaf.grad is not None
        return [ratio.detach(), leaf.grad]

    agree(switch, compute, at_least=3)


def test_nothing_fits_without_a_card() -> None:
    x = torch.rand(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert not fits(x)
    assert not compares(x, x)
    assert not works_on(torch.device('cpu'))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='asks a card')
def test_what_fits_on_a_card() -> None:
    x = torch.rand(2, 3, 8, 8, device='cuda').contiguous(memory_format=torch.channels_last)
    assert fits(x)
    assert not fits(x.contiguous())
    assert not fits(x.double())
    assert not compares(x, x.contiguous())


def test_a_missing_compiler_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(x: Tensor, sides: tuple[int, ...]) -> Tensor:
        raise RuntimeError('no C compiler was found')

    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (9, 0))
    monkeypatch.setattr(torch, 'ones', lambda *args, device, **how: torch.zeros(*args, **how) + 1)
    monkeypatch.setattr('cclgan_plugin.kernels.padding.pad', broken)
    monkeypatch.setattr(logging.getLogger('basicsr'), 'propagate', True)
    works_on.cache_clear()
    try:
        assert not works_on(torch.device('cuda', 7))
    finally:
        works_on.cache_clear()
    assert 'no C compiler was found' in caplog.text
