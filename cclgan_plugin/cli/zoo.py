"""``basicsr zoo``: which trained weights there are, and getting them."""

from __future__ import annotations

import argparse
from typing import Any

_EXAMPLES = """examples:
  basicsr zoo list
  basicsr zoo show derain-small
  basicsr zoo download NAME
  basicsr derain photos -o derained --model "$(basicsr zoo path NAME)"
"""

_COMMANDS = {
    'list': 'all models',
    'show': 'everything about one',
    'download': 'fetch weights, unless they are here',
    'verify': 'compare the SHA-256 of what is here',
    'path': 'the local file of a model, downloaded if need be',
}


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command ``zoo`` with its own commands."""
    parser = subparsers.add_parser(
        'zoo',
        help='trained weights',
        description='The Model Zoo: trained weights by name. Where a path of weights is asked for, cclgan://NAME\n'
        'will do. Downloads go to the cache of the platform, or to the folder that CCLGAN_CACHE names, and\n'
        'come from the addresses in CCLGAN_ZOO_URL, separated by spaces, before those of the index.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, needs_plugins=False)
    commands = parser.add_subparsers(dest='zoo_command', required=True, metavar='COMMAND')
    for command, meaning in _COMMANDS.items():
        sub = commands.add_parser(command, help=meaning, description=meaning.capitalize() + '.')
        if command in ('show', 'path'):
            sub.add_argument('names', metavar='NAME', nargs=1)
        elif command == 'download':
            sub.add_argument('names', metavar='NAME', nargs='+')
        elif command == 'verify':
            sub.add_argument('names', metavar='NAME', nargs='*', help='default: all that are here')


def run(args: argparse.Namespace) -> int:
    """Run the chosen command; 0 = done, 1 = verify found a wrong or missing file."""
    from cclgan_plugin.zoo import report
    from cclgan_plugin.zoo.address import SCHEME

    names = [name.removeprefix(SCHEME) for name in getattr(args, 'names', [])]
    lines, right = getattr(report, f'{args.zoo_command}_models')(names)
    print('\n'.join(lines))
    return 0 if right else 1
