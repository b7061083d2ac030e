"""What a run reads besides the images: joined lists, and aligned pairs for the supervised ceiling."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import yaml
from tqdm import tqdm

from benchmarks.comparison.plan_files import Protocol, Side, TestSet, find_list
from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_file import encode_image
from cclgan_plugin.data.image_folder import find_images
from cclgan_plugin.data.meta_info import read_meta_info
from cclgan_plugin.data.sources import read_bytes
from cclgan_plugin.errors import DataError
from cclgan_plugin.whole_file import write_whole


def names_of(side: Side, data: Path) -> list[str]:
    """The images of a side, relative to its root."""
    if not side.lists:
        return list(find_images(str(data / side.root), 'root'))
    return [listed.name for name in side.lists for listed in read_meta_info(str(find_list(name, data)))]


def test_pictures(test: TestSet, data: Path) -> list[str]:
    """The names of a test's pictures, in order.

    Raises:
        DataError: a picture of the list, or a truth, is missing.
    """
    if test.list is None:
        names = sorted(find_images(str(data / test.rainy), 'rainy'))
    else:
        names = [listed.name for listed in read_meta_info(str(find_list(test.list, data)))]
    for name in names:
        for folder in filter(None, (test.rainy, test.clean)):
            if not (data / folder / name).is_file():
                raise DataError(f'{data / folder / name}: there is no such file; test "{test.name}" needs it')
    return names


def write_lists(protocol: Protocol, data: Path, work: Path) -> None:
    """The list of each side in one file, where the options of a run look for it."""
    for side, name in ((protocol.rainy, 'rainy'), (protocol.clean, 'clean')):
        if side is not None and side.lists:
            write_whole(
                str(_list_file(protocol, name, work)), '\n'.join([*names_of(side, data), '']).encode()
            )


def write_pairs(protocol: Protocol, data: Path, work: Path) -> None:
    """Rainy images and their aligned truths under the same names, as lossless copies in the working folder.

    Raises:
        DataError: the protocol knows no truth, or an image is missing or of another size.
    """
    if protocol.truth is None or protocol.rainy is None:
        raise DataError(f'{protocol.name}: there is no truth to learn from')
    folder = work / 'pairs' / protocol.name
    if (folder / 'complete').exists():
        return
    names, offsets = names_of(protocol.rainy, data), _offsets(protocol, data)
    for name in tqdm(names, desc=f'{protocol.name}: aligning pairs', disable=None):
        other = name.replace(*protocol.truth.replace) if protocol.truth.replace else name
        rainy, clean = aligned_pair(
            data / protocol.rainy.root / name,
            data / protocol.truth.root / other,
            offsets.get(os.path.basename(name), 0),
        )
        for side, image in (('rainy', rainy), ('clean', clean)):
            # BasicSR's dataset does not look into subfolders.
            flat = Path(name.replace('/', '_')).with_suffix('.png')
            write_whole(folder / side / flat, encode_image(image, '.png'))
    (folder / 'complete').touch()


def _offsets(protocol: Protocol, data: Path) -> dict[str, int]:
    if protocol.truth is None or protocol.truth.offsets is None:
        return {}
    with open(data / protocol.truth.offsets, encoding='utf-8', newline='') as file:
        return {row['file']: int(row['rainy_x_offset']) for row in csv.DictReader(file)}


def aligned_pair(rainy_file: Path, clean_file: Path, left: int) -> tuple[np.ndarray, np.ndarray]:
    """A rainy picture and its truth, of which the first ``left`` columns have no rainy counterpart.

    Raises:
        DataError: a picture is missing, damaged, or of another size.
    """
    rainy = read_picture(rainy_file)
    clean = read_picture(clean_file)[:, left : left + rainy.shape[1]]
    if clean.shape != rainy.shape:
        raise DataError(f'{rainy_file}: rainy {rainy.shape}, truth {clean.shape}: no pair')
    return rainy, clean


def read_picture(file: Path) -> np.ndarray:
    """A picture as RGB pixels.

    Raises:
        DataError: it is missing or damaged.
    """
    return decode_image(read_bytes(str(file)), str(file))


def write_check(protocol: Protocol, data: Path, work: Path) -> Path:
    """An options file for ``basicsr data check``: all that a protocol learns from and tests on.

    Raises:
        DataError: an image, or a list, is missing.
    """
    datasets: dict[str, dict[str, object]] = {}
    if protocol.rainy is not None and protocol.clean is not None:
        write_lists(protocol, data, work)
        train: dict[str, object] = {'type': 'UnpairedImageDataset'}
        for key, side, name in (('lq', protocol.rainy, 'rainy'), ('gt', protocol.clean, 'clean')):
            train[f'dataroot_{key}'] = str(data / side.root)
            if side.lists:
                train[f'meta_info_file_{key}'] = str(_list_file(protocol, name, work))
        datasets['train'] = train
    for number, test in enumerate(protocol.tests, start=1):
        file = work / 'lists' / f'{protocol.name}-test-{number}.txt'
        write_whole(file, '\n'.join([*test_pictures(test, data), '']).encode())
        kind = 'SingleImageDataset' if test.clean is None else 'PairedImageDataset'
        datasets[f'test_{number}'] = {
            'type': kind,
            'dataroot_lq': str(data / test.rainy),
            'meta_info_file': str(file),
            **({} if test.clean is None else {'dataroot_gt': str(data / test.clean)}),
        }
    options = work / 'checked' / f'{protocol.name}.yml'
    write_whole(options, yaml.safe_dump({'datasets': datasets}, sort_keys=False).encode())
    return options


def _list_file(protocol: Protocol, name: str, work: Path) -> Path:
    return work / 'lists' / f'{protocol.name}-{name}.txt'
