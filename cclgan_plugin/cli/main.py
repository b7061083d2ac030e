"""The command line: which command is meant, and how its end is reported."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import select
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import cclgan_plugin
from cclgan_plugin.errors import OptionError, UserError, did_you_mean


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as typed.
        meaning: its line in ``basicsr --help``.
        module: the file with ``add_parser(subparsers)`` and ``run(args) -> int``, imported when it is asked
            for; what takes seconds to import waits for ``run``. Its parser sets ``run`` as a default, and
            perhaps ``check``, a quick look at the arguments, and ``needs_plugins=False`` where nothing that
            is registered with BasicSR is used, or ``run`` loads it when it is.
    """

    name: str
    meaning: str
    module: str


COMMANDS = (
    Command('train', 'train a model', 'cclgan_plugin.cli.train'),
    Command('test', 'run a trained model on images', 'cclgan_plugin.cli.test'),
    Command('layers', "show a network's feature levels", 'cclgan_plugin.cli.layers'),
    Command('derain', 'take the rain out of pictures', 'cclgan_plugin.cli.derain'),
    Command('zoo', 'trained weights', 'cclgan_plugin.cli.zoo'),
    Command('export', 'write weights for other programs', 'cclgan_plugin.cli.export'),
    Command('data', 'make and check training and test images', 'cclgan_plugin.cli.data'),
)

#: What ``--version`` lists, by distribution.
DISTRIBUTIONS = ('basicsr', 'torch', 'torchvision')

_OUTPUT = 1  # the file number of standard output

_EXAMPLES = """examples:
  basicsr data demo datasets/demo
  basicsr train -opt options/train_cclgan.yml
  basicsr test -opt options/test_cclgan.yml
  basicsr derain photos -o derained
  basicsr train --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``basicsr``.

    Args:
        argv: the arguments; those of the process if None.

    Returns:
        The exit code: 0 = done, 2 = something given is wrong, 3 = training cannot go on, 75 = a signal has
        stopped the training and it can go on, 130 = interrupted, 141 = nobody reads the output any more; a
        command may have others.
    """
    _print_any_name()
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:
        if not _output_is_closed():
            raise
        return 141  # as of a program that SIGPIPE has ended
    return code


def _run(arguments: list[str]) -> int:
    try:
        args = _parse(arguments)
        if 'check' in args:
            args.check(args)
        if getattr(args, 'needs_plugins', True):
            from cclgan_plugin.cli.plugins import load_plugins

            load_plugins(getattr(args, 'plugin', ()))
        code: int = args.run(args)
        return code
    except SystemExit as stop:
        # From argparse: 0 after --help and --version, 2 after its own message. Others may give a reason.
        if isinstance(stop.code, int | None):
            return stop.code or 0
        print(f'{_process()}basicsr: {stop.code}', file=sys.stderr)
        return 1
    except UserError as error:
        print(f'{_process()}basicsr: {error.label}: {_one_message(error)}', file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f'{_process()}basicsr: interrupted', file=sys.stderr)
        return 130


def _output_is_closed() -> bool:
    """Whether whoever read our output, such as ``head``, has gone; what is left of it then goes nowhere."""
    watch = select.poll()
    # Linux says POLLERR; macOS POLLHUP, and only to those who wait for something.
    watch.register(_OUTPUT, select.POLLOUT)
    closed = any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))
    if closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), _OUTPUT)
    return closed


def _print_any_name() -> None:
    """A name that the terminal's encoding does not have is no reason for a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == 'strict':
            stream.reconfigure(errors='backslashreplace')


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='basicsr',
        description='Train and test image restoration models with BasicSR and its plugins.',
        epilog=_table() + '\n' + _EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='basicsr [-h] [--version] COMMAND ...',
    )
    parser.add_argument('--version', action='version', version=_versions())
    if len(arguments) > 1 and arguments[0].startswith(('--local-rank', '--local_rank')):
        # torch.distributed.launch puts its own argument before the command.
        arguments = [arguments[1], arguments[0], *arguments[2:]]
    word = arguments[0] if arguments else ''
    command = next((command for command in COMMANDS if command.name == word), None)
    if command is not None:
        subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', prog='basicsr')
        importlib.import_module(command.module).add_parser(subparsers)
    elif word and not word.startswith('-'):
        names = [command.name for command in COMMANDS]
        raise OptionError(
            f'there is no command "{word}".{did_you_mean(word, names)} There are {", ".join(names)}; '
            'see basicsr --help.'
        )
    args = parser.parse_args(arguments)
    if command is None:
        parser.error('a command is missing; see basicsr --help')
    args.arguments = arguments[1:]
    return args


def _table() -> str:
    lines = [f'  {command.name:8}{command.meaning}' for command in COMMANDS]
    return '\n'.join(['commands:', *lines, '  COMMAND --help shows what a command takes.', ''])


def _versions() -> str:
    """One line for each distribution, read from their metadata: nothing is imported."""
    lines = [f'cclgan-plugin {cclgan_plugin.__version__}']
    for name in DISTRIBUTIONS:
        try:
            lines.append(f'{name} {version(name)}')
        except PackageNotFoundError:
            lines.append(f'{name} is not installed')
    return '\n'.join(lines)


def _process() -> str:
    """Which process speaks, where a launcher has started several."""
    return f'[rank {os.environ.get("RANK", "?")}] ' if os.environ.get('WORLD_SIZE', '1') != '1' else ''


def _one_message(error: UserError) -> str:
    """The message of an error; that of a loader's worker reaches us as the text of a whole traceback."""
    message = str(error)
    if message.startswith('Caught ') and '\nOriginal Traceback' in message:
        kind = type(error)
        message = message.rpartition(f'{kind.__module__}.{kind.__qualname__}: ')[2].strip()
    return message


if __name__ == '__main__':
    sys.exit(main())
