"""Are the images of every dataset there, do the sides match, can they be decoded?"""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from cclgan_plugin.errors import DataError, OptionError, UserError
from cclgan_plugin.options.preflight_validation import check_borders, check_saved_names

#: Where a set's images come from; heights and widths of some, which are measured.
_LookedAt = tuple[Any, Collection[tuple[int, int]]]

#: Files of which the first bytes are looked at: 1000 take some 30 ms on a local disk.
GLANCES = 5000
#: Files that are decoded, spread evenly over the set.
DECODED = 16
#: Pixels by which a truth may be larger than its image: in some collections the two differ by an edge.
EDGE = 16


def check_datasets(opt: dict[str, Any]) -> None:
    """Look at every dataset of the options.

    Raises:
        DataError: a folder, list or image is missing or no good, or two sides do not match.
        OptionError: the dataset refuses its options.
    """
    for phase, dataset in opt['datasets'].items():
        try:
            looked_at = _CHECKS.get(dataset['type'], _check_roots)(dataset)
            if looked_at is not None and phase.startswith(('val', 'test')):
                source, sizes = looked_at
                check_saved_names(opt.get('val') or {}, map(source.name, range(len(source))))
                check_borders(opt.get('val') or {}, sizes)
        except UserError as error:
            raise type(error)(f'datasets.{phase}: {error}') from error


def _check_unpaired(dataset: dict[str, Any]) -> None:
    import numpy as np

    from cclgan_plugin.data.find_source import find_source
    from cclgan_plugin.data.image_side import ImageSide
    from cclgan_plugin.data.synthetic_rain import SyntheticRain

    counts = []
    for side in ('lq', 'gt'):
        listed = dataset.get(f'meta_info_file_{side}')
        source = find_source(side, dataset[f'dataroot_{side}'], listed, dataset['io_backend'])
        counts.append(len(source))
        if dataset['corrupt_images'] == 'skip':
            # One good image is enough.
            ImageSide(f'dataroot_{side}', source, 'skip').load(0, lambda: np.random.default_rng(0))
        else:
            _look_at(source)
    rainy, clean = counts
    if dataset.get('synthetic_rain') is not None:
        # How many are rained on, and that a clean one is left; the seed plays no part in that.
        rained, stay = SyntheticRain.from_options(dataset['synthetic_rain']).choose(clean, seed=0)
        rainy, clean = rainy + len(rained), len(stay)
    larger = max(rainy, clean)
    _check_batch(
        larger,
        dataset,
        # By now the options hold the product: what the loader deals out at a time.
        f'a step takes {dataset["batch_size_per_gpu"]} images of each side (batch_size_per_gpu, times '
        f'train.grad_accum); the larger side has {larger}',
    )


def _check_batch(images: int, dataset: dict[str, Any], what: str) -> None:
    """The loader drops an incomplete batch; with fewer images than one batch nothing would be left."""
    from basicsr.utils.dist_util import get_dist_info

    # As the samplers deal them out.
    share = math.ceil(images * dataset.get('dataset_enlarge_ratio', 1) / get_dist_info()[1])
    if share < dataset['batch_size_per_gpu'] and dataset.get('small_set') != 'repeat':
        raise OptionError(
            f'{what}, {share} for each process and epoch. '
            'Lower batch_size_per_gpu, raise dataset_enlarge_ratio, or set small_set: repeat.'
        )


def _check_paired(dataset: dict[str, Any]) -> _LookedAt:
    from cclgan_plugin.data.meta_info import paired_name
    from cclgan_plugin.data.sources import FileSource

    backend = dataset['io_backend']['type']
    if backend == 'lmdb':
        sides = [_database(dataset, side) for side in ('lq', 'gt')]
        _same_names([set(side.names) for side in sides], dataset)
    else:
        template = dataset.get('filename_tmpl', '{}')
        gt = _names(dataset, 'gt')
        lq = [paired_name(name, template, dataset['dataroot_lq']) for name in gt]
        listed = dataset.get('meta_info_file')
        found = (
            [n for n in lq if os.path.isfile(os.path.join(dataset['dataroot_lq'], n))]
            if listed
            else _names(dataset, 'lq')
        )
        _same_names([set(found), set(lq)], dataset)
        _one_partner_each(lq, gt, dataset)
        sides = [FileSource(dataset['dataroot_lq'], lq), FileSource(dataset['dataroot_gt'], gt)]
    odd = () if dataset.get('phase') == 'train' else tuple(_unequal(sides, dataset.get('scale', 1)))
    sizes = [_look_at(side, odd) for side in sides]
    if dataset.get('phase') == 'train':
        pairs = len(sides[0])
        _check_batch(pairs, dataset, f'a batch has {dataset["batch_size_per_gpu"]} pairs; there are {pairs}')
    else:
        _same_sizes(sides, sizes, dataset.get('scale', 1))
    return sides[0], sizes[1].values()


def _check_single(dataset: dict[str, Any]) -> _LookedAt:
    from cclgan_plugin.data.sources import FileSource

    if dataset['io_backend']['type'] == 'lmdb':
        source = _database(dataset, 'lq')
    else:
        source = FileSource(dataset['dataroot_lq'], _names(dataset, 'lq'))
    _look_at(source)
    # Whatever metrics there are, none of those that have a border is taken of it.
    return source, ()


def _database(dataset: dict[str, Any], side: str) -> Any:
    from cclgan_plugin.data.find_source import find_source

    root, listed = dataset[f'dataroot_{side}'], dataset.get('meta_info_file')
    return find_source(side, root, listed, {'type': 'lmdb'}, 'meta_info_file')


def _check_roots(dataset: dict[str, Any]) -> None:
    """A dataset of another package: what its keys name must exist."""
    from cclgan_plugin.data.image_folder import check_folder

    for key, value in dataset.items():
        if isinstance(value, str) and key.startswith('dataroot'):
            check_folder(value, key)
        if isinstance(value, str) and key.startswith('meta_info') and not os.path.isfile(value):
            raise DataError(f'{key}: there is no file "{value}"')


def _names(dataset: dict[str, Any], side: str) -> list[str]:
    """The files that BasicSR's own datasets take: those of a list, or every one in the folder itself."""
    from cclgan_plugin.data.image_folder import check_folder, images_at_the_top
    from cclgan_plugin.data.meta_info import read_meta_info

    key = f'dataroot_{side}'
    root = dataset[key]
    check_folder(root, key)
    listed = dataset.get('meta_info_file')
    if listed is not None:
        names = [image.name for image in read_meta_info(listed, 'meta_info_file')]
        missing = [name for name in names if not os.path.isfile(os.path.join(root, name))]
        if missing:
            raise DataError(
                f'meta_info_file: "{listed}" names "{missing[0]}", which is not in {key} "{root}"'
            )
        return names
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith('.') and entry.is_file())
    images_at_the_top(root, key)
    return names


def _same_names(sides: Sequence[set[str]], dataset: dict[str, Any]) -> None:
    lq, gt = sides
    for key, other, lonely in (
        ('dataroot_lq', 'dataroot_gt', lq - gt),
        ('dataroot_gt', 'dataroot_lq', gt - lq),
    ):
        if lonely:
            raise DataError(
                f'{len(lonely)} of the images in {key} "{dataset[key]}" have no partner in {other} '
                f'"{dataset[other]}", e.g. {min(lonely)}; both sides must have the same file names'
            )


def _one_partner_each(lq: Sequence[str], gt: Sequence[str], dataset: dict[str, Any]) -> None:
    """A list's folders that dataroot_lq lacks are left out, and then two names may become one."""
    partners: dict[str, str] = {}
    for one, other in zip(lq, gt, strict=True):
        first = partners.setdefault(one, other)
        if first != other:
            raise DataError(
                f'meta_info_file: {first} and {other} of dataroot_gt would both be paired with {one} of '
                f'dataroot_lq "{dataset["dataroot_lq"]}"; expected the same folders on both sides'
            )


def _same_sizes(sides: Sequence[Any], sizes: Sequence[dict[int, tuple[int, int]]], scale: int) -> None:
    """Of a pair that is measured; BasicSR compares the upper left part of a truth that is larger."""
    larger = []
    for index in sorted(sizes[0].keys() & sizes[1].keys()):
        (lq_h, lq_w), (gt_h, gt_w) = sizes[0][index], sizes[1][index]
        beyond = gt_h - lq_h * scale, gt_w - lq_w * scale
        told = (
            f'{sides[1].name(index)} is {gt_w}x{gt_h}, {{}} than {sides[0].name(index)} ({lq_w}x{lq_h}'
            f'{f" times scale {scale}" if scale != 1 else ""})'
        )
        if min(beyond) < 0:
            raise DataError(told.format('smaller') + '; the two cannot be compared')
        if max(beyond) > EDGE:
            raise DataError(told.format('larger') + '; its upper left part alone would be compared')
        if max(beyond) >= scale:
            larger.append(told.format('larger'))
    if larger:
        logging.getLogger('basicsr').warning(
            f'{larger[0]}: its upper left part alone is compared'
            + (f'; so it is with {len(larger) - 1} more' if len(larger) > 1 else '')
        )


def _unequal(sides: Sequence[Any], scale: int) -> Iterator[int]:
    """Pairs of files whose headers announce sizes that do not match: they are worth decoding."""
    from PIL import Image

    from cclgan_plugin.data.sources import FileSource

    if not all(isinstance(side, FileSource) for side in sides):
        return
    for index in range(len(sides[0])):
        found = []
        for side in sides:
            with contextlib.suppress(Exception), Image.open(side.name(index)) as header:
                found.append(header.size)
        if len(found) == 2:
            beyond = [gt - lq * scale for lq, gt in zip(*found, strict=True)]
            if min(beyond) < 0 or max(beyond) >= scale:
                yield index


def _look_at(source: Any, further: Sequence[int] = ()) -> dict[int, tuple[int, int]]:
    """Glance at the first bytes of many images, decode a few and ``further``; height and width of these."""
    import cv2

    from cclgan_plugin.data.decode import decode_image
    from cclgan_plugin.data.sources import FileSource

    if isinstance(source, FileSource):
        for index in range(min(len(source), GLANCES)):
            if not cv2.haveImageReader(source.name(index)):
                # Says what it is; and some that OpenCV does not know can be read nevertheless.
                decode_image(source.read(index), source.name(index))
    step = max(1, len(source) // DECODED)
    chosen = {*range(0, len(source), step), *further[:DECODED]}
    shapes = {i: decode_image(source.read(i), source.name(i)).shape for i in sorted(chosen)}
    return {i: (shape[0], shape[1]) for i, shape in shapes.items()}


_CHECKS = {
    'UnpairedImageDataset': _check_unpaired,
    'PairedImageDataset': _check_paired,
    'SingleImageDataset': _check_single,
}
