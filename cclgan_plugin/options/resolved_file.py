"""The options file that is written beside an experiment: complete, and readable as an options file again."""

from __future__ import annotations

import copy
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from cclgan_plugin.errors import DataError, TrainingError
from cclgan_plugin.options.inherit import load_options
from cclgan_plugin.options.yaml_file import OptionsLoader
from cclgan_plugin.whole_file import write_whole

_resolved: dict[str, dict[str, Any]] = {}


class _Dumper(yaml.SafeDumper):
    """Writes what both our loader and a YAML 1.1 loader read back as the same value."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _first, _resolvers in OptionsLoader.yaml_implicit_resolvers.items():
    for _tag, _pattern in _resolvers:
        _Dumper.add_implicit_resolver(_tag, _pattern, [_first])


def _represent_list(dumper: _Dumper, data: list[Any]) -> yaml.Node:
    short = all(not isinstance(item, (list, dict)) for item in data)
    return dumper.represent_sequence('tag:yaml.org,2002:seq', data, flow_style=short)


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(type(None), lambda dumper, _: dumper.represent_scalar('tag:yaml.org,2002:null', '~'))


def dump_options(options: dict[str, Any]) -> str:
    """Options as YAML text; reading it gives equal options."""
    parts: list[str] = []
    apart = False
    for key, value in options.items():
        before, apart = apart, isinstance(value, dict)
        if parts and (before or apart):
            parts.append('\n')  # Maps stand apart.
        parts.append(yaml.dump({key: value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))
    return ''.join(parts)


def remember(opt_file: str, options: dict[str, Any]) -> None:
    """Keep the resolved options of a file, for :func:`copy_opt_file`."""
    _resolved[os.path.abspath(os.path.expanduser(opt_file))] = copy.deepcopy(options)


def correct(key: str, value: Any) -> None:
    """Set an option at the top of what is kept: a resumed run has it from its state."""
    for options in _resolved.values():
        options[key] = value


def copy_opt_file(opt_file: str, experiments_root: str) -> None:
    """Write the options of this run, complete and resolved, into its folder. On the first process only.

    Args:
        opt_file: the file that was named on the command line; the copy has its name.
        experiments_root: an existing folder.

    Raises:
        TrainingError: the file cannot be written; a file of that name stays as it was.
    """
    from basicsr.utils.dist_util import get_dist_info

    if get_dist_info()[0] != 0:
        return
    options = _resolved.get(os.path.abspath(os.path.expanduser(opt_file)))
    if options is None:
        options = load_options(opt_file).values
    header = (
        '# All options of this run, with what was inherited, given on the command line, or a default.\n'
        f'# Written: {time.asctime()}\n'
        f'# Command: {" ".join([sys.argv[0], *map(shlex.quote, sys.argv[1:])]).replace(chr(10), " ")}\n\n'
    )
    path = Path(experiments_root) / os.path.basename(opt_file)
    try:
        write_whole(path, (header + dump_options(options)).encode())
    except DataError as error:
        raise TrainingError(f'the options of the run: {error}') from error
