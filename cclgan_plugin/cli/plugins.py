"""Other packages' plugins for BasicSR, found through the entry-point group ``basicsr.plugins``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

import cclgan_plugin
from cclgan_plugin.errors import UserError

GROUP = 'basicsr.plugins'


class PluginError(UserError):
    """An installed plugin cannot be imported."""


def load_plugins(further: Iterable[str] = ()) -> list[str]:
    """Load this plugin and every other one that is installed, once each, so that their parts are registered.

    A package becomes a plugin by an entry point of the group ``basicsr.plugins`` that names a module::

        [project.entry-points."basicsr.plugins"]
        my_plugin = "my_package"

    Args:
        further: packages without such an entry point, by the names under which they are imported.

    Returns:
        The names of the entry points, in the order in which they were loaded, then the further packages; ours
        is first.

    Raises:
        PluginError: one of them fails, with its name, its distribution and the cause.
    """
    cclgan_plugin.load()
    loaded = {cclgan_plugin.__name__: 'cclgan'}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        if entry.value not in loaded:
            _load(entry)
            loaded[entry.value] = entry.name
    for module in further:
        if module not in loaded:
            _import(module)
            loaded[module] = module
    return list(loaded.values())


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except Exception as error:
        raise PluginError(
            f'--plugin {module}: cannot be imported: {type(error).__name__}: {error}'
        ) from error


def _load(entry: EntryPoint) -> None:
    try:
        entry.load()
    except Exception as error:
        # Whatever a stranger's module does as it is imported; the cause stays attached.
        owner = (
            f'{entry.dist.name} {entry.dist.version}' if entry.dist is not None else 'an unknown distribution'
        )
        uninstall = f' or uninstall it (pip uninstall {entry.dist.name})' if entry.dist is not None else ''
        raise PluginError(
            f'The BasicSR plugin "{entry.name}" ({entry.value}) of {owner} cannot be loaded: '
            f'{type(error).__name__}: {error}. Mend it{uninstall}.'
        ) from error
