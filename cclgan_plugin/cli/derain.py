"""``basicsr derain``: the rain out of pictures, folders, videos and pipes."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from cclgan_plugin.cli.derain_pipe import derain_pipe, is_pipe
from cclgan_plugin.options.arguments import add_plugin_argument

_EXAMPLES = """examples:
  basicsr derain photo.jpg -o dry.jpg
  basicsr derain photos -o derained --compare
  basicsr derain 'photos/**/*.png' -o derained --model experiments/my_run/models/net_g_latest.pth
  basicsr derain rainy -o derained --metrics clean
  basicsr derain huge.tif -o derained --memory 2G
  basicsr derain clip.mp4 -o dry.mp4
  ffmpeg -i clip.mp4 -f rawvideo -pix_fmt rgb24 - | basicsr derain - -o - --frames 1280x720 | ...
"""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command ``derain``."""
    parser = subparsers.add_parser(
        'derain',
        help='take the rain out of pictures',
        description='Take the rain out of pictures. Each result has the name, format, bit depth, alpha,\n'
        'colour profile and EXIF data of its input, as far as the format can hold them. Results that\n'
        'are there already are left alone: after an interruption, the same command goes on. A file\n'
        'that cannot be used is named, the others are done, and the exit code is 1.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'inputs', metavar='INPUT', nargs='+', help='files, folders, patterns in quotes, videos; - for a pipe'
    )
    parser.add_argument('-o', '--out', required=True, metavar='OUT', help='folder; or file for a single file')
    parser.add_argument(
        '--model',
        metavar='MODEL',
        help="name of the Model Zoo, cclgan://NAME, or weights file; default: the zoo's",
    )
    parser.add_argument('--overwrite', action='store_true', help='replace results that are there')
    parser.add_argument(
        '--compare',
        nargs='?',
        const='',
        metavar='DIR',
        help='also write pictures of input and result side by side; default: OUT/compare',
    )
    parser.add_argument(
        '--metrics', metavar='GT_DIR', help='measure PSNR and SSIM (Y) against pictures of the same names'
    )
    parser.add_argument('--niqe', action='store_true', help='measure NIQE, which needs no ground truth')
    parser.add_argument(
        '--memory', metavar='2G', help='use no more; large pictures are done in bands, with the same result'
    )
    parser.add_argument(
        '--batch', type=int, metavar='N', help='pictures of a size at once; default: GPU 4, CPU 1'
    )
    parser.add_argument('--device', help='cpu, cuda, cuda:1, mps; default: a GPU where there is one')
    parser.add_argument('--half', action='store_true', help='compute in 16 bits')
    parser.add_argument('--compile', action='store_true', help='torch.compile: for many pictures of one size')
    parser.add_argument('--frames', metavar='WxH', help='size of the raw RGB frames in a pipe')
    parser.add_argument('--frames16', action='store_true', help='they have 16 bits for each colour (rgb48le)')
    add_plugin_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Derain; 0 = all done, 1 = all but some bad files."""
    import torch

    with torch.no_grad(), _one_line_for_a_bad_file():
        return _derain(args)


@contextlib.contextmanager
def _one_line_for_a_bad_file() -> Iterator[None]:
    """The line is ours; what image libraries say besides names no file. And no size is too large for us."""
    from cv2.utils import logging

    from cclgan_plugin.data.open_image import any_size

    level = logging.getLogLevel()
    try:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        with any_size(), warnings.catch_warnings():
            warnings.filterwarnings('ignore', module='PIL')
            yield
    finally:
        logging.setLogLevel(level)


def _derain(args: argparse.Namespace) -> int:
    if is_pipe(args):
        return derain_pipe(args, _derainer(args))
    from cclgan_plugin.inference.everything import derain_everything

    done = derain_everything(
        args.inputs,
        args.out,
        _derainer(args),
        overwrite=args.overwrite,
        compare=args.compare,
        truth=args.metrics,
        niqe=args.niqe,
        batch=args.batch,
    )
    print(done.summary)
    return 1 if done.bad or done.lacking else 0


def _derainer(args: argparse.Namespace) -> Any:
    """Made only when it is known that there is something to do."""
    from cclgan_plugin.inference.derainer import Derainer
    from cclgan_plugin.inference.memory import check_limit

    def make() -> Derainer:
        dtype = 'half' if args.half else None
        derainer = Derainer.from_pretrained(args.model, args.device, dtype, args.memory, args.compile)
        if derainer.memory is not None:
            check_limit(derainer.memory, derainer.device)
        return derainer

    return make
