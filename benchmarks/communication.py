"""What several processes cost beside computing: steps with and without the exchange of gradients.

``python -m benchmarks.communication --processes 2`` starts the processes on this machine's CPU; each runs the
same steps, in turn with the exchange and without, so that all else (cores, memory) is equal.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

WIDTHS = {'tiny': (8, 1, 64), 'small': (32, 3, 128), 'paper': (64, 9, 256)}


def build(setting: str) -> tuple[nn.ModuleDict, torch.Tensor]:
    """A generator and a discriminator of each side, and a batch of one image."""
    from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator

    width, blocks, size = WIDTHS[setting]
    torch.manual_seed(0)
    nets = nn.ModuleDict()
    for side in ('', '_rain'):
        nets[f'g{side}'] = CCLGANGenerator(width=width, num_blocks=blocks)
        nets[f'd{side}'] = CCLGANDiscriminator(width=width)
    return nets, torch.rand(1, 3, size, size)


def step(nets: nn.ModuleDict, images: torch.Tensor, exchanges: dict[str, Any] | None) -> None:
    """As many passes as a step of CCLGAN has (three through each generator), with the exchange or without."""
    nets.zero_grad(set_to_none=True)
    for name in ('d', 'g'):
        loss = images.new_zeros(())
        for side in ('', '_rain'):
            if name == 'd':
                loss = loss + nets[f'd{side}'](images).mean() + nets[f'd{side}'](images).mean()
            else:
                for _ in range(3):
                    loss = loss + nets[f'g{side}'](images).mean()
        if exchanges:
            exchanges[name].begin(loss.detach()[None])
        loss.backward()
        if exchanges:
            exchanges[name].finish()


def measure(rank: int, world: int, port: int, setting: str, repeats: int, results: Any) -> None:
    """One process; the times of its steps go to ``results``."""
    from cclgan_plugin.training.gradient_exchange import GradientExchange

    torch.set_num_threads(1)
    dist.init_process_group('gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=world)
    nets, images = build(setting)
    groups = {
        name: [p for key, net in nets.items() if key[0] == name for p in net.parameters()] for name in 'dg'
    }
    exchanges = {name: GradientExchange(parameters) for name, parameters in groups.items()}
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(repeats + 1):
        for exchange in (True, False):
            dist.barrier()
            began = time.perf_counter()
            step(nets, images, exchanges if exchange else None)
            if number:  # the first one warms up
                times[exchange].append(time.perf_counter() - began)
    results.put((rank, times))
    dist.barrier()
    dist.destroy_process_group()


def main() -> int:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--setting', choices=sorted(WIDTHS), nargs='+', default=['tiny', 'small'])
    parser.add_argument('--repeats', type=int, default=8)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    os.environ['OMP_NUM_THREADS'] = '1'
    rows = []
    print('| networks | parameters | step with exchange | without | ratio |\n|---|---|---|---|---|')
    for setting in args.setting:
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        context = multiprocessing.get_context('spawn')
        results = context.Queue()
        common = (args.processes, port, setting, args.repeats, results)
        ranks = [context.Process(target=measure, args=(rank, *common)) for rank in range(args.processes)]
        for process in ranks:
            process.start()
        times = [results.get(timeout=600)[1] for _ in ranks]
        for process in ranks:
            process.join()
        both, alone = (statistics.median(t for one in times for t in one[flag]) for flag in (True, False))
        # The slower process decides; the ratio is of steps that stood side by side.
        pairs = zip(
            *([max(ts) for ts in zip(*(one[flag] for one in times), strict=True)] for flag in (True, False)),
            strict=True,
        )
        ratio = statistics.median(a / b for a, b in pairs)
        count = sum(p.numel() for p in build(setting)[0].parameters())
        rows.append(
            {'setting': setting, 'parameters': count, 'exchange': both, 'alone': alone, 'ratio': ratio}
        )
        print(
            f'| {setting} | {count / 1e6:.1f} M | {1e3 * both:.0f} ms | {1e3 * alone:.0f} ms | {ratio:.3f} |'
        )
    if args.json:
        args.json.write_text(json.dumps({'processes': args.processes, 'rows': rows}, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
