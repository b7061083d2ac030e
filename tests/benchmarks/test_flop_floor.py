"""The floor of a whole step: no step is below it, and ours is at it."""

from __future__ import annotations

import pytest

from benchmarks.counting import count_step
from benchmarks.flop_floor import Sizes, flop_floor
from benchmarks.step_recipes import Recipe, Setting
from benchmarks.step_variants import build_variant
from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss, LCLLoss
from cclgan_plugin.models.step import Criteria

TINY = Setting(size=32, width=2, blocks=1, encoder='none')
SIZES = Sizes(
    batch=1,
    height=256,
    width=256,
    net_width=64,
    blocks=9,
    anti_alias=True,
    discriminators_blur=True,
    head_dim=256,
)
VGG = {'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_2', 'relu2_2', 'relu3_3']}


@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('relative', [None, 'CycleGAN', 'CUT', 'DCLGAN'])
def test_our_step_is_at_the_floor(relative: str | None, batch: int) -> None:
    variant = build_variant(Recipe(Setting(**{**vars(TINY), 'batch': batch}), relative=relative))
    floor, found = sum(variant.floor().values()), count_step(variant)[0].flops
    assert floor <= found <= 1.001 * floor


def test_frozen_encoders_are_at_the_floor_too() -> None:
    variant = build_variant(Recipe(Setting(**{**vars(TINY), 'encoder': 'vgg'})))
    floor, found = sum(variant.floor().values()), count_step(variant)[0].flops
    assert floor <= found <= 1.001 * floor


def test_the_oracle_is_above_the_floor() -> None:
    # Without LCL, whose similarities the oracle computes in a way that the counter does not see.
    variant = build_variant(Recipe(TINY, oracle=True, without='lcl'))
    assert count_step(variant)[0].flops > 1.05 * sum(variant.floor().values())


def test_the_papers_step() -> None:
    """The floor that was worked out by hand: 2990 GFLOP with VGG and CLIP, 2729 without any encoder."""
    losses = {'gan': None, 'idt': 1, 'lcl': LCLLoss(), 'inter': InterCCLLoss()}
    parts = flop_floor(Criteria(**losses), True, SIZES)
    # Six translations of 128.15 GFLOP, three passes each, less the gradients of r and of c, twice each, and
    # of the blurs' kernels.
    stem = 2 * 3 * 64 * 49 * 256 * 256
    blurs = 2 * 9 * (128 * 128 * 128 + 256 * 64 * 64)
    assert parts['translations'] + parts['identity'] == 6 * (3 * 128_150_667_264 - blurs) - 4 * stem
    assert sum(parts.values()) == pytest.approx(2729e9, rel=1e-3)
    intra = IntraCCLLoss([{'type': 'CLIPEncoder', 'weights': 'random'}, VGG])
    with_encoders = flop_floor(Criteria(**losses, intra=intra), True, SIZES)
    assert sum(with_encoders.values()) == pytest.approx(2990e9, rel=1e-3)


@pytest.mark.parametrize(
    ('changed', 'part', 'ratio'),
    [
        # Keys encoded out of their domain need a pass each, forward only: 2 * 3 + 2 instead of 2 * 3.
        ({'lcl': LCLLoss(cycle_encoders='release')}, 'LCL encodings', 4 / 3),
        # Both kinds of anchors: (4 with gradient, 2 without) instead of (2, 4).
        ({'intra': IntraCCLLoss(VGG, anchors=['reconstruction', 'translation'])}, 'intra', 10 / 8),
        ({'lcl': LCLLoss(terms=['translation'])}, 'LCL encodings', 0),
    ],
)
def test_options_change_the_floor(changed: dict[str, object], part: str, ratio: float) -> None:
    losses = {'gan': None, 'lcl': LCLLoss(), 'intra': IntraCCLLoss(VGG)}
    before = flop_floor(Criteria(**losses), True, SIZES)
    after = flop_floor(Criteria(**(losses | changed)), True, SIZES)
    assert after[part] == pytest.approx(ratio * before[part], rel=1e-3)


def test_what_is_not_worked_out_is_refused() -> None:
    with pytest.raises(ValueError, match='projection: fixed'):
        flop_floor(Criteria(gan=None, inter=InterCCLLoss(projection='fixed')), True, SIZES)
