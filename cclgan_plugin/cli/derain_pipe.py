"""``basicsr derain - -o -``: raw frames from a pipe into a pipe."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any

_USAGE = '"basicsr derain - -o - --frames WIDTHxHEIGHT"'
# What is not asked for on the way from pipe to pipe, where there are no files.
_OF_FILES = ('overwrite', 'compare', 'metrics', 'niqe', 'batch')
_OF_PIPES = ('frames', 'frames16')


def is_pipe(args: argparse.Namespace) -> bool:
    """Whether frames are meant.

    Raises:
        OptionError: files are, but an option is given that only pipes have.
    """
    from cclgan_plugin.errors import OptionError

    if args.inputs == ['-'] or args.out == '-':
        return True
    for option in _given(args, _OF_PIPES):
        raise OptionError(f'--{option}: for raw frames in a pipe only, as in {_USAGE}; files know their size')
    return False


def derain_pipe(args: argparse.Namespace, make_derainer: Callable[[], Any]) -> int:
    """From the standard input to the standard output; 0 = done.

    Args:
        args: of the command.
        make_derainer: called once it is clear that the options are right.

    Raises:
        OptionError: the size is missing or too large, or an option is given that only files have.
    """
    from cclgan_plugin.data.open_image import MOST_PIXELS
    from cclgan_plugin.errors import OptionError
    from cclgan_plugin.inference.video import derain_frames

    size = re.fullmatch(r'([1-9]\d{0,9})x([1-9]\d{0,9})', args.frames or '')
    if args.inputs != ['-'] or args.out != '-' or not size:
        raise OptionError(f'a pipe: expected {_USAGE} with raw RGB frames on the standard input')
    for option in _given(args, _OF_FILES):
        raise OptionError(f'--{option}: not for frames in a pipe, which are neither kept nor compared here')
    width, height = int(size[1]), int(size[2])
    if width * height > MOST_PIXELS:
        raise OptionError(
            f'--frames {args.frames}: {width * height} pixels, expected at most {MOST_PIXELS}; '
            'it is the size of one frame, such as 1280x720'
        )
    count = derain_frames(
        make_derainer(), sys.stdin.buffer, sys.stdout.buffer, (width, height), args.frames16
    )
    print(f'{count} frames', file=sys.stderr)
    return 0


def _given(args: argparse.Namespace, options: tuple[str, ...]) -> list[str]:
    return [option for option in options if getattr(args, option) not in (None, False)]
