"""Where the time of one training step goes: the kernels that take most of it, and how busy the device is.

    python benchmarks/profile_step.py --device cuda --mode tf32+bf16 --batch 16
    python benchmarks/profile_step.py --size 64 --width 16 --blocks 2 --encoder none   on the CPU, a small one

On a card a row is a kernel and its time on the card, and the share of the step in which the card computes
says whether it waits for its launches. On the CPU a row is an operator and the time spent in itself.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))
sys.path.insert(0, str(ROOT))

from benchmarks.modes import Mode  # noqa: E402
from benchmarks.step_recipes import Recipe  # noqa: E402
from benchmarks.step_settings import add_setting_arguments, check_at_least, read_setting  # noqa: E402
from benchmarks.step_variants import StepVariant, build_variant  # noqa: E402
from benchmarks.tables import table  # noqa: E402
from benchmarks.throughput import WARM_UP  # noqa: E402
from benchmarks.timing import timed_steps  # noqa: E402
from cclgan_plugin.errors import UserError  # noqa: E402

#: Names of kernels are whole C++ signatures.
LONGEST_NAME = 90
COMMON = re.compile(r'^void |at::native::|\(anonymous namespace\)::|c10::|gpu_kernel_impl(_nocast)?<')


@dataclass(frozen=True)
class Cost:
    """Of one kernel or operator, in one step."""

    name: str
    calls: float
    seconds: float


@dataclass(frozen=True)
class StepProfile:
    """What one step does.

    Attributes:
        seconds: its length by the clock, while nothing watches.
        costs: of all kernels (on a card) or operators (on the CPU), the largest first.
    """

    seconds: float
    costs: list[Cost]

    @property
    def busy(self) -> float:
        """Seconds in kernels, over the step's; of one thread on the CPU."""
        return sum(cost.seconds for cost in self.costs) / self.seconds


def profile_step(variant: StepVariant, steps: int) -> StepProfile:
    """Watch ``steps`` steps of a variant, once it is warm; everything is for one of them."""
    for _ in range(WARM_UP):
        variant.step()
    seconds = timed_steps(variant, steps) / steps
    on_card = variant.device.type == 'cuda'
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_card else [])]
    with profile(activities=activities) as watched:
        timed_steps(variant, steps)
    device = DeviceType.CUDA if on_card else DeviceType.CPU
    costs = [
        Cost(event.key, event.count / steps, microseconds / 1e6 / steps)
        for event in watched.key_averages()
        if event.device_type == device
        and (microseconds := event.self_device_time_total if on_card else event.self_cpu_time_total) > 0
    ]
    return StepProfile(seconds, sorted(costs, key=lambda cost: -cost.seconds))


def report(found: StepProfile, top: int) -> str:
    """The table, and a line about the whole."""
    total = sum(cost.seconds for cost in found.costs)
    rest = found.costs[top:]
    shown = [*found.costs[:top]]
    if rest:
        others = Cost(f'{len(rest)} others', sum(c.calls for c in rest), sum(c.seconds for c in rest))
        shown.append(others)
    rows = [
        [_short(c.name), f'{c.calls:.0f}', f'{1e3 * c.seconds:.2f}', f'{100 * c.seconds / total:.1f} %']
        for c in shown
    ]
    calls = sum(cost.calls for cost in found.costs)
    line = (
        f'{1e3 * found.seconds:.1f} ms a step, {calls:.0f} calls, '
        f'{1e3 * total:.1f} ms in them: {100 * found.busy:.0f} % of the step'
    )
    return f'{table(["kernel or operator", "calls", "ms", "share"], rows)}\n\n{line}'


def _short(name: str) -> str:
    # What all kernels of PyTorch have in common says nothing. A bar would end the cell.
    name = COMMON.sub('', name).replace('|', '/')
    return name if len(name) <= LONGEST_NAME else f'{name[: LONGEST_NAME - 3]}...'


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    logging.getLogger('basicsr').setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(
        prog='profile_step.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--mode', default='fp32', help='one mode, see benchmarks/README.md (fp32)')
    parser.add_argument('--oracle', action='store_true', help="the method page's step instead of ours")
    add_setting_arguments(parser)
    parser.add_argument('--threads', type=int, default=2, help='threads of the CPU (2)')
    parser.add_argument('--steps', type=int, default=2, help='steps that are watched (2)')
    parser.add_argument('--top', type=int, default=25, help='rows of the table (25)')
    args = parser.parse_args(argv)
    try:
        mode, setting = Mode.parse(args.mode), read_setting(args)
        for name in ('threads', 'steps', 'top'):
            check_at_least(args, name, 1)
    except UserError as error:
        parser.error(str(error))
    torch.set_num_threads(args.threads)
    # As BasicSR trains: the fastest algorithm for each convolution, found by trying.
    torch.backends.cudnn.benchmark = True
    variant = build_variant(Recipe(setting, oracle=args.oracle, mode=mode))
    print(report(profile_step(variant, args.steps), args.top))
    return 0


if __name__ == '__main__':
    sys.exit(main())
