"""``basicsr export``: weights for other programs."""

from __future__ import annotations

import argparse
from typing import Any

from cclgan_plugin.options.arguments import add_plugin_argument

#: The keys of ``cclgan_plugin.inference.export.FORMATS``, which takes seconds to import.
FORMATS = ('safetensors', 'onnx', 'torchscript', 'pt2')

_EXAMPLES = """examples:
  basicsr export experiments/my_run/models/net_g_latest.pth -f safetensors --half
  basicsr export derain-small -f onnx -o derain-small.onnx
  basicsr export my_model.safetensors -f torchscript
"""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command ``export``."""
    parser = subparsers.add_parser(
        'export',
        help='write weights for other programs',
        description='Write a network for other programs: images (N, 3, H, W) in [0, 1], any height and\n'
        'width, go in and out. Each file is loaded again and its result compared with PyTorch.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'model',
        metavar='MODEL',
        help='name in the Model Zoo, .safetensors file, or .pth of a training',
    )
    parser.add_argument('-f', '--format', required=True, choices=FORMATS, help='what to write')
    parser.add_argument('-o', '--out', metavar='FILE', help='where to; default: the name of the model, here')
    parser.add_argument('--half', action='store_true', help='safetensors: store the weights in 16 bits')
    parser.add_argument(
        '--opt', metavar='FILE.yml', help='.pth: options of the training; default: those in its folder'
    )
    parser.add_argument(
        '--network', metavar='NAME', help='.pth: such as network_g; default: by the file name'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    add_plugin_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exports; 0 = written and checked."""
    from cclgan_plugin.inference.export import export

    done = export(args.model, args.format, args.out, args.half, args.opt, args.network, args.overwrite)
    print(f'{done.file}: {done.file.stat().st_size / 1e6:.2f} MB, {done.report}')
    return 0
