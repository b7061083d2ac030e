"""Feature levels of any network by the names of its modules, and nothing left behind in it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator
from cclgan_plugin.archs.dry_run import dry_run
from cclgan_plugin.archs.module_levels import ModuleLevels, level_channels, listed, require_levels
from cclgan_plugin.archs.untouched import run_untouched
from cclgan_plugin.errors import OptionError


class Awkward(nn.Module):
    """Batch norm, spectral norm, dropout, an activation in place, tokens, and a module that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.spectral_norm(nn.Conv2d(3, 4, 3, padding=1))
        self.norm = nn.BatchNorm2d(4)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.tokens = nn.Linear(4, 5)
        self.tail = nn.Conv2d(4, 3, 3, padding=1)
        self.unused = nn.Conv2d(4, 3, 1)
        self.tail_runs = 0

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv(x), inplace=True)
        y = self.twice(self.twice(self.norm(y)))
        self.tokens(y.flatten(2).transpose(1, 2))
        self.tail_runs += 1
        return self.tail(self.drop(y))


@pytest.fixture
def net() -> Awkward:
    torch.manual_seed(0)
    return Awkward().train()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(1))


def state(net: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in net.state_dict().items()}


def assert_untouched(net: nn.Module, before: dict[str, Tensor]) -> None:
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(not module._forward_hooks and module.training for module in net.modules())


def test_a_dry_run_tells_the_shape_of_every_module(net: Awkward, images: Tensor) -> None:
    before, drawn = state(net), torch.get_rng_state()
    run = dry_run(net, images)
    assert_untouched(net, before)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(p.grad is None for p in net.parameters())
    found = {module.name: (module.kind, module.shape, module.is_map) for module in run.modules}
    assert found['conv'] == ('Conv2d', (2, 4, 8, 6), True)
    assert found['tokens'] == ('Linear', (2, 48, 5), False)
    assert found['unused'] == ('Conv2d', None, False)
    assert run.output == (2, 3, 8, 6)
    assert level_channels(net, run) == {
        'conv': 4,
        'norm': 4,
        'twice': 4,
        'drop': 4,
        'tail': 3,
        'image': 3,
    }


def test_levels_leave_their_modules_as_they_were_given(net: Awkward, images: Tensor) -> None:
    """Before the activation in place, in the first run, on the way that the network goes in training."""
    before = state(net)
    levels = ModuleLevels(net, ['image', 'conv', 'twice'])
    found = levels.encode(images)
    assert_untouched(net, before)
    raw = run_untouched(net.conv, images)
    assert torch.equal(found['conv'], raw)
    assert raw.min() < 0
    assert torch.equal(found['twice'], net.twice(run_untouched(net.norm, raw.relu())))
    assert found['image'] is images
    assert net.tail_runs == 0  # nothing behind the last level has run


def test_gradient_reaches_the_images_and_the_weights(net: Awkward, images: Tensor) -> None:
    images.requires_grad_()
    ModuleLevels(net, ['twice']).encode(images)['twice'].square().sum().backward()
    assert images.grad.abs().sum() > 0
    assert all(p.grad is not None for p in (*net.conv.parameters(), *net.twice.parameters()))
    assert net.tail.weight.grad is None


def test_a_recording_keeps_what_passes_by(net: Awkward, images: Tensor) -> None:
    levels = ModuleLevels(net, ['conv', 'twice'])
    other = images.clone()
    with levels.recording() as seen:
        assert seen.of(images, levels.levels) is None
        net(images)
        kept = seen.of(images, levels.levels)
        assert kept is not None
        assert not any(x.requires_grad for x in kept.values())
        assert seen.of(other, levels.levels) is None
        levels.encode(other)  # is no run of somebody else
        assert seen.of(images, levels.levels) is not None
        images.mul_(0.5)  # is another image now
        assert seen.of(images, levels.levels) is None
        net(other)
        assert seen.of(other, levels.levels) is not None
    net(images)
    assert seen.of(images, levels.levels) is None
    assert not net._forward_pre_hooks


def test_what_is_recorded_is_what_would_be_encoded(images: Tensor) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3))
    levels = ModuleLevels(net, ['image', '0', '2'])
    with levels.recording() as seen:
        net(images)
        kept = seen.of(images, levels.levels)
    for level, x in levels.encode(images).items():
        assert torch.equal(kept[level], x)


def test_levels_that_a_network_declares_are_its_own(images: Tensor) -> None:
    net = CCLGANGenerator(width=4, num_blocks=1)
    levels = ModuleLevels(net, ['down1', 'block1'])
    expected = net.encode(images, ['down1', 'block1'])
    assert all(torch.equal(x, expected[level]) for level, x in levels.encode(images).items())
    with pytest.raises(OptionError, match=r'"block1" is a feature level that CCLGANGenerator declares'):
        ModuleLevels(net, ['block1', 'stem'])
    critic = CCLGANDiscriminator(width=2)
    found = ModuleLevels(critic, ['image']).encode(torch.ones(1, 3, 24, 24))
    assert found['image'].max() == 1  # in [-1, 1], as that network sees it
    assert level_channels(critic, dry_run(critic, torch.rand(2, 3, 32, 32)))['conv2'] == 4


def test_a_wrong_name_is_refused_with_the_right_ones() -> None:
    with pytest.raises(OptionError) as raised:
        require_levels({'body.0': 4, 'body.1': 4}, ['body.1', 'bdoy.1'], 'here', 'net_g')
    message = 'here: net_g has no feature level "bdoy.1". Did you mean "body.1"? It has: body.0, body.1'
    assert str(raised.value) == message


def test_of_very_many_names_the_outer_ones_are_listed() -> None:
    names = [
        'head',
        *(f'body.{i}.conv{j}' for i in range(50) for j in range(4)),
        *(f'body.{i}' for i in range(50)),
    ]
    text = listed(names)
    assert text.startswith('head, body.0, body.1')
    assert text.endswith('and 200 inside these; basicsr layers -opt FILE shows all')


def test_a_module_that_is_not_there_or_never_runs_is_named(net: Awkward, images: Tensor) -> None:
    with pytest.raises(
        OptionError, match=r'^Awkward has no module "twcie"\. Did you mean "twice"\? It has: conv,'
    ):
        ModuleLevels(net, ['twcie'])
    with pytest.raises(OptionError, match='Awkward never runs its module "unused"'):
        ModuleLevels(net, ['conv', 'unused']).encode(images)


@pytest.mark.parametrize('reentrant', [False, True])
def test_a_level_without_gradient_is_refused(images: Tensor, reentrant: bool) -> None:
    """A reentrant checkpoint runs its modules without; what is compared there would teach nothing."""

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.b, self.a(x), use_reentrant=reentrant)

    levels = ModuleLevels(Checkpointed(), ['a', 'b'])
    with torch.no_grad():
        assert set(levels.encode(images)) == {'a', 'b'}
    x = images.clone().requires_grad_()
    if reentrant:
        with pytest.raises(OptionError, match=r'computes its module "b" without a gradient'):
            levels.encode(x)
    else:
        levels.encode(x)['b'].sum().backward()
        assert x.grad.any()


def test_a_module_goes_by_each_of_its_names(images: Tensor) -> None:
    conv = nn.Conv2d(3, 3, 3)
    found = ModuleLevels(nn.Sequential(conv, conv), ['1']).encode(images)
    assert torch.equal(found['1'], conv(images))


def test_what_is_no_feature_level_is_named(images: Tensor) -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair, self.conv = Pair(), nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.pair(x)[0])

    with pytest.raises(OptionError, match=r'Net: its module "pair" \(Pair\) gives a tuple'):
        ModuleLevels(Net(), ['pair']).encode(images)
    with pytest.raises(OptionError, match='Net: expected names of feature levels, got none'):
        ModuleLevels(Net(), [])
    # A single name is not a list of letters.
    assert ModuleLevels(Net(), 'conv').encode(images)['conv'].shape[1] == 4
