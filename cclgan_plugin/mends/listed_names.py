"""A listed name with a space is looked for up to the space; blank lines and comments are taken for images;
``a/0.png`` of a list is paired with another ``0.png``, that beside ``a``; of a database every image is taken.

In every release: ``paired_paths_from_meta_info_file`` and ``SingleImageDataset`` split lines at the first
space, and the former drops folders on one side. May go when both read names as
:func:`cclgan_plugin.data.meta_info.read_meta_info` does, and pairs keep their folders.
"""

from __future__ import annotations

import os
from typing import Any

from basicsr.data import data_util
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.single_image_dataset import SingleImageDataset

from cclgan_plugin.data.find_source import find_source
from cclgan_plugin.data.meta_info import paired_name, read_meta_info
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace, replace_method

__all__ = ['apply', 'needed', 'paired_paths_from_meta_info_file']


def paired_paths_from_meta_info_file(
    folders: list[str], keys: list[str], meta_info_file: str, filename_tmpl: str
) -> list[dict[str, str]]:
    """BasicSR's pairs ``{'lq_path': ..., 'gt_path': ...}`` of a list of ``gt``'s names, in the list's order.

    Raises:
        DataError: the list is missing, is not text, or names nothing.
    """
    pairs = []
    for image in read_meta_info(meta_info_file, 'meta_info_file'):
        names = (paired_name(image.name, filename_tmpl, folders[0]), image.name)
        pairs.append(
            {
                f'{key}_path': os.path.join(folder, name)
                for key, folder, name in zip(keys, folders, names, strict=True)
            }
        )
    return pairs


def init_single(self: Any, opt: dict[str, Any]) -> None:
    """``SingleImageDataset`` with all the names of its list."""
    keys = _listed_keys(opt, 'lq')
    init_single.unmended(self, opt)  # type: ignore[attr-defined]
    if keys is not None:
        self.paths = keys
    elif opt.get('meta_info_file') is not None:
        listed = read_meta_info(opt['meta_info_file'], 'meta_info_file')
        self.paths = [os.path.join(self.lq_folder, image.name) for image in listed]


def init_paired(self: Any, opt: dict[str, Any]) -> None:
    """``PairedImageDataset`` with the pairs of its list also where they come out of databases."""
    keys = _listed_keys(opt, 'gt')
    init_paired.unmended(self, opt)  # type: ignore[attr-defined]
    if keys is not None:
        self.paths = [{'lq_path': key, 'gt_path': key} for key in keys]


def _listed_keys(opt: dict[str, Any], side: str) -> list[str] | None:
    """Of a list and a database; None unless there are both."""
    if opt['io_backend']['type'] != 'lmdb' or opt.get('meta_info_file') is None:
        return None
    root, listed = opt[f'dataroot_{side}'], opt['meta_info_file']
    return list(find_source(side, root, listed, {'type': 'lmdb'}, 'meta_info_file').names)


def apply() -> None:
    """Read the lists of BasicSR's datasets as ours are read."""
    replace(data_util.paired_paths_from_meta_info_file, paired_paths_from_meta_info_file)
    replace_method(SingleImageDataset, '__init__', init_single)
    replace_method(PairedImageDataset, '__init__', init_paired)
