"""The same seed trains on other images on another machine, or after the folder was copied.

In every release: ``paired_paths_from_folder`` and ``paths_from_folder`` take files in the order in which
the file system lists them. May go when they sort.
"""

from __future__ import annotations

from basicsr.data import data_util

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace

__all__ = ['apply', 'needed', 'paired_paths_from_folder', 'paths_from_folder']


def paired_paths_from_folder(folders: list[str], keys: list[str], filename_tmpl: str) -> list[dict[str, str]]:
    """BasicSR's pairs ``{'lq_path': ..., 'gt_path': ...}``, sorted by the path of the second side."""
    pairs = paired_paths_from_folder.unmended(folders, keys, filename_tmpl)  # type: ignore[attr-defined]
    return sorted(pairs, key=lambda pair: pair[f'{keys[1]}_path'])


def paths_from_folder(folder: str) -> list[str]:
    """BasicSR's paths of all files in a folder, sorted."""
    return sorted(paths_from_folder.unmended(folder))  # type: ignore[attr-defined]


def apply() -> None:
    """Sort what every dataset finds in a folder."""
    replace(data_util.paired_paths_from_folder, paired_paths_from_folder)
    replace(data_util.paths_from_folder, paths_from_folder)
