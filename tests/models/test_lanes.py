"""What runs side by side on a card: nothing is read too early, and no memory is handed out too soon."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from basicsr.losses import build_loss
from lane_watch import HOME, LaneWatch
from torch import Tensor, nn

from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator, LCLHead
from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss, LCLLoss
from cclgan_plugin.models.lanes import Lanes
from cclgan_plugin.models.step import CCLGANStep, Criteria
from cclgan_plugin.models.step_modes import StepModes
from cclgan_plugin.training.precision import Precision

VGG = {'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_1']}


def build_step(watch: LaneWatch, two_sided: bool, amp: str, **modes: Any) -> CCLGANStep:
    torch.manual_seed(0)
    nets: dict[str, nn.Module] = {}
    for side in ('', '_rain') if two_sided else ('',):
        nets[f'g{side}'] = generator = CCLGANGenerator(4, 1)
        nets[f'd{side}'] = CCLGANDiscriminator(4)
        nets[f'h{side}'] = LCLHead(generator.feature_channels, 8)
    gan = build_loss({'type': 'GANLoss', 'gan_type': 'hinge', 'loss_weight': 1.0})
    terms = ['translation', 'reconstruction', 'identity'] if two_sided else ['translation', 'identity']
    criteria = Criteria(gan, nn.L1Loss(), lcl=LCLLoss(num_patches=5, terms=terms))
    if two_sided:
        criteria.cycle = nn.L1Loss()
        criteria.intra = IntraCCLLoss(VGG, anchors=('reconstruction', 'translation'))
        criteria.inter = InterCCLLoss(num_patches=5)
    precision = Precision(amp, torch.device('cpu'))
    step = CCLGANStep(nets, criteria, StepModes(precision, batch_identity=True, **modes))
    object.__setattr__(step.modes, 'lanes', watch)
    return step


def train(step: CCLGANStep, watch: LaneWatch, steps: int) -> None:
    """As CCLGANModel does."""
    groups = {
        kind: torch.optim.Adam(
            [p for name, net in step.nets.items() if name[0] == kind for p in net.parameters()]
        )
        for kind in 'dgh'
    }

    def update(losses: dict[str, Tensor], kinds: str) -> None:
        for kind in kinds:
            groups[kind].zero_grad(set_to_none=True)
        total = torch.stack(list(losses.values())).sum()
        with watch.backward_of(total):
            total.backward()
        for kind in kinds:
            groups[kind].step()

    for turn in range(steps):
        generator = torch.Generator().manual_seed(turn)
        rainy, clean = torch.rand(2, 1, 3, 32, 32, generator=generator)
        locations = step.draw_locations(32, 32, generator)
        made = step.translate(rainy, clean)
        update(step.discriminator_losses(made.images, made.images), 'd')
        for name, net in step.nets.items():
            net.requires_grad_(name[0] != 'd')
        update(step.generator_losses(made, locations), 'gh')
        step.nets.requires_grad_(True)


@pytest.mark.parametrize('amp', ['off', 'bf16'])
@pytest.mark.parametrize('two_sided', [True, False])
@pytest.mark.parametrize('checkpointing', [False, True])
def test_a_step_is_safe_side_by_side(two_sided: bool, amp: str, checkpointing: bool) -> None:
    watch = LaneWatch()
    step = build_step(watch, two_sided, amp, checkpointing=checkpointing)
    with watch:
        train(step, watch, 2)
    assert watch.lanes == {HOME, 'lane 1', *(('lane 2', 'lane 3') if two_sided else ('lane 2',))}
    assert watch.hazards == []


def test_images_must_outlive_the_backward_pass() -> None:
    """Where nobody holds them, they go back to their lane with the last node that holds them."""
    watch = LaneWatch()
    step = build_step(watch, two_sided=True, amp='off')
    generator = torch.Generator().manual_seed(0)
    with watch:
        made = step.translate(*torch.rand(2, 1, 3, 32, 32, generator=generator))
        losses = step.generator_losses(made, step.draw_locations(32, 32, generator))
        total = torch.stack(list(losses.values())).sum()
        made.images.clear()
        made.encodings.clear()
        with watch.backward_of(total):
            total.backward()
    assert any('may overwrite' in hazard for hazard in watch.hazards)


def test_the_watch_sees_an_early_read() -> None:
    watch = LaneWatch()
    with watch:
        x = torch.zeros(3)
        watch.run(lambda: x.add_(1), lambda: x * 2)
    assert len(watch.hazards) == 1
    assert 'reads (3,), not waiting for home' in watch.hazards[0]


def test_the_watch_sees_memory_handed_out_early() -> None:
    watch = LaneWatch()
    with watch:
        held = watch.run(lambda: None, lambda: [torch.zeros(3)])[1]
        # The second job is told to begin before the first one has read; it may get the memory.
        watch.run(lambda: held.pop() * 2, lambda: torch.zeros(3))
    assert any('may overwrite (3,), which home still reads' in hazard for hazard in watch.hazards)


def test_the_watch_sees_a_rounded_weight_that_two_lanes_share() -> None:
    """Autocast keeps it for the whole region, and knows nothing of lanes."""
    watch = LaneWatch()
    conv, x = nn.Conv2d(3, 4, 3), torch.rand(1, 3, 8, 8)
    with watch, torch.autocast('cpu', dtype=torch.bfloat16):
        watch.run(lambda: conv(x), lambda: conv(x))
    assert any('not waiting for home' in hazard for hazard in watch.hazards)


def test_without_a_card_jobs_come_back_in_order() -> None:
    assert Lanes().run(lambda: 1, lambda: 2, lambda: 3) == [1, 2, 3]
