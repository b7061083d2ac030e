"""Deraining of large images and of folders: megapixels per second, peak memory, and how exact it is.

Each way of processing an image runs in a process of its own, for its peak memory; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

METHODS = ('network', 'derainer', 'bands', 'onnxruntime', 'tiles')

#: Side and overlap of the naive tiles, in pixels: Real-ESRGAN's usual setting.
TILE, PAD = 400, 10


def main() -> int:
    """Measure and print a table; ``--json`` writes the numbers."""
    args = _arguments()
    if args.one:
        print(json.dumps(_one(args)))
        return 0
    from benchmarks.machine import describe
    from benchmarks.tables import table
    from cclgan_plugin.whole_file import write_whole

    machine = describe(args.device, args.threads)
    print('\n'.join(f'{name}: {value}' for name, value in machine.items()) + '\n')
    found = {'machine': machine, 'sizes': _sizes(args), 'folder': _folder(args) if args.folder else None}
    header = ['method', 'MP', 'seconds', 'MP/s', 'peak GiB', 'off by at most']
    rows = [
        [r['method'], f'{r["megapixels"]:g}', f'{r["seconds"]:.2f}', f'{r["megapixels"] / r["seconds"]:.3f}',
         f'{r["peak"] / 2**30:.2f}', '' if r['difference'] is None else f'{r["difference"]:.1e}']
        for r in found['sizes']
    ]  # fmt: skip
    print(table(header, rows))
    if found['folder']:
        folder = found['folder']
        print(
            f'\nfolder of {folder["images"]} images of 480x320: {folder["seconds"]:.2f} s, the network alone '
            f'{folder["network"]:.2f} s: {folder["seconds"] / folder["network"]:.3f} times as long'
        )
    if args.json:
        write_whole(Path(args.json), json.dumps(found, indent=1).encode())
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--megapixels', default='0.15,2', help='sizes (default: 0.15,2; also 8 and 33)')
    parser.add_argument('--methods', default=','.join(METHODS), help=f'of {", ".join(METHODS)}')
    parser.add_argument('--width', type=int, default=16, help='of the generator; weights are random')
    parser.add_argument('--blocks', type=int, default=4)
    parser.add_argument('--memory', default='2G', help='limit for "bands"')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--folder', type=int, default=0, metavar='N', help='also N images of 480x320 as files'
    )
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    parser.add_argument('--result', help=argparse.SUPPRESS)
    return parser.parse_args()


def _sizes(args: argparse.Namespace) -> list[dict[str, float]]:
    import torch
    from tqdm import tqdm

    from benchmarks.peak_memory import peak_of_command

    found = []
    jobs = [(size, method) for size in args.megapixels.split(',') for method in args.methods.split(',')]
    with tempfile.TemporaryDirectory() as folder:
        for size, method in tqdm(jobs, disable=None):
            result = Path(folder, f'{size}-{method}.pt')
            command = [
                sys.executable,
                __file__,
                '--one',
                method,
                '--megapixels',
                size,
                '--result',
                str(result),
            ]
            for name in ('width', 'blocks', 'memory', 'threads', 'device'):
                command += [f'--{name}', str(getattr(args, name))]
            row = peak_of_command(command)
            whole = Path(folder, f'{size}-network.pt')
            difference = None
            if whole.exists() and method != 'network':
                difference = float((torch.load(result) - torch.load(whole)).abs().max())
            found.append({'method': method, 'megapixels': float(size), **row, 'difference': difference})
    return found


def _network(args: argparse.Namespace):
    import torch

    import cclgan_plugin  # noqa: F401
    from cclgan_plugin.archs import CCLGANGenerator

    torch.set_num_threads(args.threads)
    network = CCLGANGenerator(width=args.width, num_blocks=args.blocks, residual=True)
    # Untrained weights are so small that they would hide every difference.
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in network.parameters():
            fan = tensor[0].numel() if tensor.ndim > 1 else 1
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / fan) ** 0.5 * 0.7)
    return network.to(args.device).eval().requires_grad_(False)


def _one(args: argparse.Namespace) -> dict[str, float]:
    """One method on one image, in this process."""
    import torch

    from benchmarks.peak_memory import card_peak, process_peak, reset_card_peak

    network = _network(args)
    height = round(math.sqrt(float(args.megapixels) * 1e6 * 3 / 4))
    x = torch.rand(1, 3, height, round(height * 4 / 3), generator=torch.Generator().manual_seed(0))
    run = _method(args, network)
    if args.device != 'cpu':
        run(x[..., :64, :64])
        reset_card_peak()
    start = time.perf_counter()
    with torch.inference_mode():
        y = run(x)
    seconds = time.perf_counter() - start
    torch.save(y.cpu().clone(), args.result)
    return {'seconds': seconds, 'peak': process_peak() if args.device == 'cpu' else card_peak()}


def _method(args: argparse.Namespace, network):
    import torch

    from cclgan_plugin.inference import Derainer

    def plain(x):
        return network(x.to(args.device)).cpu()

    if args.one == 'network':
        return plain
    if args.one == 'derainer':
        return Derainer(network, args.device).derain
    if args.one == 'bands':
        return Derainer(network, args.device, memory=args.memory).derain
    if args.one == 'tiles':
        return lambda x: _tiles(plain, x)
    if args.one == 'onnxruntime':
        import onnxruntime

        from cclgan_plugin.inference.export import FORMATS

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, 'a.onnx')
            FORMATS['onnx'].write(network.cpu(), None, file, False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = args.threads
            session = onnxruntime.InferenceSession(str(file), options, providers=['CPUExecutionProvider'])
        return lambda x: torch.from_numpy(session.run(None, {'input': x.numpy()})[0])
    raise SystemExit(f'--methods {args.one}: expected some of {", ".join(METHODS)}')


def _tiles(run, x):
    """Tile by tile with a margin, as Real-ESRGAN does: every tile by its own statistics."""
    import torch

    y = torch.empty_like(x)
    height, width = x.shape[2:]
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(height, top + TILE), min(width, left + TILE)
            above, before = max(0, top - PAD), max(0, left - PAD)
            tile = run(x[..., above : bottom + PAD, before : right + PAD])
            y[..., top:bottom, left:right] = tile[
                ..., top - above : bottom - above, left - before : right - before
            ]
    return y


def _folder(args: argparse.Namespace) -> dict[str, float]:
    """Files in, files out, against the network alone; in turn, because machines do not run evenly."""
    import numpy as np
    import skimage.data
    import torch
    from PIL import Image

    from cclgan_plugin.inference import Derainer
    from cclgan_plugin.inference.jobs import plan
    from cclgan_plugin.inference.pictures import derain_pictures

    network = _network(args)
    derainer = Derainer(network, args.device)
    photo = np.tile(skimage.data.astronaut(), (2, 2, 1))
    rounds, files, alone = 3, [], []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, 'in')
        source.mkdir()
        for i in range(args.folder):
            Image.fromarray(photo[3 * i : 3 * i + 320, 5 * i : 5 * i + 480]).save(source / f'{i:04}.png')
        x = torch.rand(1, 3, 320, 480)
        derainer.derain(x)
        for number in range(rounds):
            start = time.perf_counter()
            with torch.inference_mode():
                for _ in range(args.folder):
                    network(x.to(args.device))
            alone.append(time.perf_counter() - start)
            start = time.perf_counter()
            outcomes = list(derain_pictures(derainer, plan([str(source)], str(Path(folder, f'out{number}')))))
            files.append(time.perf_counter() - start)
            assert len(outcomes) == args.folder
            assert not any(outcome.error for outcome in outcomes)
    return {'images': args.folder, 'seconds': float(np.median(files)), 'network': float(np.median(alone))}


if __name__ == '__main__':
    sys.exit(main())
