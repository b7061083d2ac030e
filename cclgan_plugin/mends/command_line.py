"""``--force_yml`` runs code (its keys through ``exec``, its lists through ``eval``), cannot create keys,
chokes on values that hold ``=``, and a forced ``manual_seed`` does not reseed. Unknown keys pass in
silence. The option file is copied beside the experiment as it was typed, not as it was used.

In every release: ``parse_options`` and ``copy_opt_file``. The plugin's own parser takes their place: it
checks every key before anything is created. Only ``--debug`` asks for debug mode there, not a name that
happens to contain the word; BasicSR's choice not to write TensorBoard logs for such a name stays. May go
when BasicSR checks its options itself.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace

__all__ = ['apply', 'needed']


def parse_options(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], Namespace]:
    """Read and check the options that the command line names; see ``cclgan_plugin.options.parse``."""
    # Imported late: the checks know every registered part, and those are registered after the mends.
    from cclgan_plugin.options import parse

    return parse.parse_options(root_path, is_train=is_train)


def copy_opt_file(opt_file: str, experiments_root: str) -> None:
    """Write the resolved options beside the experiment; see ``cclgan_plugin.options.parse``."""
    from cclgan_plugin.options import parse

    parse.copy_opt_file(opt_file, experiments_root)


def apply() -> None:
    """Let every pipeline read its options through the plugin's parser."""
    from basicsr.utils import options

    replace(options.parse_options, parse_options)
    replace(options.copy_opt_file, copy_opt_file)
