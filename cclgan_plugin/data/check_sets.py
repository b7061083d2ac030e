"""Which image sets are to be checked, and which of them must not share scenes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cclgan_plugin.data.find_source import find_source, is_database
from cclgan_plugin.data.image_folder import check_folder, find_images, images_at_the_top
from cclgan_plugin.data.sources import FileSource, ImageSource
from cclgan_plugin.errors import DataError, OptionError, did_you_mean

#: Folder names, in lower case, that say what is in them.
RAINY = frozenset({'rainy', 'rain', 'input', 'lq', 'r', 'rainimages'})
CLEAN = frozenset({'clean', 'norain', 'target', 'gt', 'groundtruth', 'ground_truth', 'n', 'derained'})
TEST = frozenset({'test', 'testing', 'val', 'valid', 'validation', 'eval'})
TRAIN = frozenset({'train', 'training'})


@dataclass(frozen=True)
class CheckedSet:
    """One set of images.

    Attributes:
        name: what it is called in the report, e.g. ``train rainy``.
        source: its images.
        side: ``'rainy'``, ``'clean'`` or ``''`` where that is not known.
        phase: ``'train'`` or ``'test'`` (also for validation).
        pairs: sets of the same pairs show the same scenes on purpose; ``''`` = no pairs.
        crop: side of the training crop in pixels; None = not cropped.
        small_images: what an image smaller than the crop means: ``'pad'`` or ``'error'``.
    """

    name: str
    source: ImageSource
    side: str = ''
    phase: str = 'train'
    pairs: str = ''
    crop: int | None = None
    small_images: str = 'pad'


def what_must_not_be_shared(one: CheckedSet, other: CheckedSet) -> str | None:
    """Why two sets must not show the same scenes: ``'training and test'``, ``'rainy and clean'``, or None."""
    if one.pairs and one.pairs == other.pairs:
        return None
    if one.phase != other.phase:
        return 'training and test'
    if one.phase == 'train' and {one.side, other.side} == {'rainy', 'clean'}:
        return 'rainy and clean'
    return None


def sets_of_options(datasets: Any) -> list[CheckedSet]:
    """The sets that the ``datasets`` of an options file name.

    Raises:
        OptionError: there are none, or a dataset has unknown or missing keys.
        DataError: a folder, list or database is missing or empty.
    """
    if not isinstance(datasets, dict) or not datasets:
        raise OptionError('datasets: expected a map of train, val, test_1 ... to datasets')
    sets = []
    for phase, dataset in datasets.items():
        if dataset is None:  # switched off
            continue
        if not isinstance(dataset, dict) or not isinstance(dataset.get('type'), str):
            raise OptionError(f'datasets.{phase}: expected a map with a type')
        roots = [side for side in ('lq', 'gt') if dataset.get(f'dataroot_{side}') is not None]
        needed = ('lq',) if dataset['type'] == 'SingleImageDataset' else ('lq', 'gt')
        for side in needed:
            if side not in roots:
                hint = did_you_mean(f'dataroot_{side}', map(str, dataset))
                raise OptionError(f'datasets.{phase}: dataroot_{side} is missing.{hint}')
        try:
            sets += [_set_of(str(phase), side, dataset) for side in roots]
        except (DataError, OptionError) as error:
            raise type(error)(f'datasets.{phase}: {error}') from error
    return sets


def _set_of(phase: str, side: str, dataset: dict[str, Any]) -> CheckedSet:
    unpaired = dataset['type'] == 'UnpairedImageDataset'
    listed = dataset.get(f'meta_info_file_{side}') if unpaired else dataset.get('meta_info_file')
    backend = dataset.get('io_backend') or {'type': 'disk'}
    root = os.path.expanduser(dataset[f'dataroot_{side}'])
    source: ImageSource
    if unpaired:
        source = find_source(side, root, listed, backend)
    elif listed is None and backend.get('type', 'disk') == 'disk' and not is_database(root):
        source = FileSource(root, images_at_the_top(root, f'dataroot_{side}'))
    else:
        paired = side == 'lq' and dataset['type'] == 'PairedImageDataset'
        template = dataset.get('filename_tmpl', '{}') if paired else None
        source = find_source(side, root, listed, backend, 'meta_info_file', template)
    training = phase.split('_')[0] == 'train'
    return CheckedSet(
        name=f'{phase} {side}',
        source=source,
        side='rainy' if side == 'lq' else 'clean',
        phase='train' if training else 'test',
        pairs='' if unpaired else phase,
        crop=dataset.get('gt_size', 256 if unpaired else None) if training else None,
        small_images=dataset.get('small_images', 'pad') if unpaired else 'error',
    )


def sets_of_places(places: Sequence[str], crop: int | None = None, paired: bool = False) -> list[CheckedSet]:
    """The sets in folders and databases.

    In a folder, names of subfolders tell: ``rainy``, ``input``, ``lq`` or ``clean``, ``norain``, ``target``,
    ``gt``, and ``train`` or ``test``, ``val``. What is below ``test`` counts as pairs. The place's own name
    tells too. What is not below ``test`` is for training.

    Args:
        places: folders of images, nested or not, and LMDB databases.
        crop: side of the training crop in pixels; None = not cropped.
        paired: the training images are pairs too.

    Raises:
        DataError: a place is missing or holds no image.
    """
    sets: list[CheckedSet] = []
    for place in places:
        root = os.path.expanduser(place)
        if is_database(root):
            sets.append(_set_of_database(place, root, crop, paired))
            continue
        check_folder(root, 'DIR')
        by_label: dict[tuple[str, str], list[str]] = {}
        given = os.path.basename(os.path.realpath(root))
        for name in find_images(root, 'DIR'):
            by_label.setdefault(_label([given, *name.split('/')[:-1]]), []).append(name)
        for (side, phase), names in sorted(by_label.items(), key=lambda item: item[0][::-1], reverse=True):
            label = ' '.join(filter(None, (place if len(places) > 1 else '', phase, side))) or place
            phase = phase or 'train'
            pairs = place if phase == 'test' or paired else ''
            small = crop if phase == 'train' else None
            sets.append(CheckedSet(label, FileSource(root, names), side, phase, pairs, small))
    return sets


def _set_of_database(place: str, root: str, crop: int | None, paired: bool) -> CheckedSet:
    """A database, whose name may hold several words: ``train_rainy.lmdb``."""
    source = find_source('lq', root, None, {'type': 'lmdb'})
    words = os.path.splitext(os.path.basename(os.path.normpath(root)))[0].replace('-', '_').split('_')
    side, phase = _label(words)
    pairs = 'databases' if phase == 'test' or paired else ''
    phase = phase or 'train'
    return CheckedSet(place, source, side, phase, pairs, crop if phase == 'train' else None)


def _label(parts: Sequence[str]) -> tuple[str, str]:
    """Side and phase by the names of folders, the innermost first; empty where no name tells."""
    words = [part.lower() for part in reversed(parts)]
    side = next((('rainy' if word in RAINY else 'clean') for word in words if word in RAINY | CLEAN), '')
    phase = next((('test' if word in TEST else 'train') for word in words if word in TEST | TRAIN), '')
    return side, phase
