"""Hold the step that is replayed from CUDA graphs against the same step without them, on a graphics card.

    python benchmarks/recorded_step.py                         256x256, batch 1, the paper's networks
    python benchmarks/recorded_step.py --batch 4 --modes fp32

Three steps go from the same weights, which change from turn to turn: one as it is, another one as it is, and
one that is recorded. The second says what a card does to a step by itself: it adds up atomically, in any
order. Exits with 1 where a replay is further away than 1e-4 in a loss, or in a network's gradient than twice
what the second step ever is, and than 1e-4 (0.05 in bfloat16).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))
sys.path.insert(0, str(ROOT))

from benchmarks.agreement import Agreement, OracleGradients  # noqa: E402
from benchmarks.modes import Mode  # noqa: E402
from benchmarks.step_recipes import Recipe, Setting  # noqa: E402
from benchmarks.step_settings import PAPER, add_setting_arguments, check_at_least, read_setting  # noqa: E402
from benchmarks.step_variants import StepVariant, build_variant  # noqa: E402
from cclgan_plugin.errors import UserError  # noqa: E402
from cclgan_plugin.training import recorder  # noqa: E402

#: How far a loss of a replay may be away, relative.
LOSSES = 1e-4
#: What gradients may be away where two steps without graphs happen to be equal; in bfloat16 a sum in another
#: order flips the sign of a rounded number here and there.
GRADIENTS, GRADIENTS_BF16 = 1e-4, 0.05
#: How much the weights change from turn to turn, relative.
CHANGE = 0.02


@dataclass(frozen=True)
class Turn:
    """Two steps held against a third from the same weights.

    Attributes:
        again: the one without graphs.
        recorded: the one with.
        replayed: whether that one was replayed, or ran as it is to be recorded later.
    """

    again: Agreement
    recorded: Agreement
    replayed: bool


def turns(setting: Setting, mode: Mode, replays: int) -> Iterator[Turn]:
    """Until the recorded step has been replayed so many times."""
    modes = [replace(mode, graphs=graphs) for graphs in (False, False, True)]
    variants = [build_variant(Recipe(setting, mode=mode)) for mode in modes]
    # The first iteration that is recorded is replayed at once.
    for turn in range(recorder.WARM_UP + replays):
        for variant in variants:
            variant.location_seed = turn
        expected, again, recorded = variants
        held = OracleGradients(expected, expected.step(learn=False))
        yield Turn(
            held.compare(again, again.step(learn=False)),
            held.compare(recorded, recorded.step(learn=False)),
            turn >= recorder.WARM_UP,
        )
        for variant in variants:
            change_weights(variant, turn)


def change_weights(variant: StepVariant, seed: int) -> None:
    """Other weights in the same memory: what a replay reads must be the latest."""
    generator = torch.Generator(variant.device).manual_seed(seed)
    with torch.no_grad():
        for p in variant.trained().values():
            noise = torch.randn(p.shape, generator=generator, device=p.device)
            p += CHANGE * p.abs().mean() * noise


def agree(found: Sequence[Turn], mode: Mode) -> bool:
    """Whether the replays are the step."""
    noise = 2 * max(turn.again.worst_gradient for turn in found)
    most = max(noise, GRADIENTS_BF16 if mode.bf16 else GRADIENTS)
    return all(turn.recorded.losses <= LOSSES and turn.recorded.worst_gradient <= most for turn in found)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    logging.getLogger('basicsr').setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(
        prog='recorded_step.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--modes', default='fp32,tf32+bf16+channels_last')
    parser.add_argument('--replays', type=int, default=4, help='replays of each mode (4)')
    add_setting_arguments(parser, replace(PAPER, device='cuda'))
    args = parser.parse_args(argv)
    try:
        modes = [Mode.parse(text) for text in args.modes.split(',')]
        check_at_least(args, 'replays', 1)
        setting = read_setting(args)
        if setting.device == 'cpu':
            parser.error('--device cpu: CUDA graphs are of graphics cards')
    except UserError as error:
        parser.error(str(error))
    well = True
    for mode in modes:
        found = []
        for turn in turns(setting, mode, args.replays):
            found.append(turn)
            what = 'replayed' if turn.replayed else 'as it is'
            print(
                f'{mode!s:24s} {what}  {_row("again", turn.again)}  {_row("recorded", turn.recorded)}',
                flush=True,
            )
        well = agree(found, mode) and well
    return 0 if well else 1


def _row(name: str, found: Agreement) -> str:
    return f'{name}: losses {found.losses:.1e}, gradients {found.worst_gradient:.1e}'


if __name__ == '__main__':
    sys.exit(main())
