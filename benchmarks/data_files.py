"""Photographs to read in the benchmarks: as folders and as databases, in PNG and JPEG."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

import cv2
import numpy as np

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.lmdb_build import LmdbBuild
from cclgan_plugin.data.lmdb_entry import EntrySettings
from cclgan_plugin.data.lmdb_plan import plan_lmdb

#: scikit-image's colour photographs.
PHOTOGRAPHS = ('astronaut.png', 'coffee.png', 'rocket.jpg', 'motorcycle_left.png')
#: Width and height: what most deraining sets have.
SIZE = (480, 320)
FORMATS = ('png', 'jpg')
STORES = ('folder', 'lmdb')


def write_files(root: Path, count: int) -> None:
    """Writes ``count`` images for either side, each in every format and store.

    They are ``root/STORE_FORMAT/{lq,gt}`` or ``{lq,gt}.lmdb``, the same names on both sides. PNG has OpenCV's
    usual compression, JPEG quality 95.
    """
    for kind in FORMATS:
        for side in ('lq', 'gt'):
            folder = root / f'folder_{kind}' / side
            folder.mkdir(parents=True)
            for index in range(count):
                image = _view(index, mirrored=side == 'lq')
                cv2.imwrite(str(folder / f'{index:04d}.{kind}'), image[..., ::-1])
            build_lmdb(folder, root / f'lmdb_{kind}' / f'{side}.lmdb')


def build_lmdb(source: Path, destination: Path, settings: EntrySettings | None = None) -> None:
    """An LMDB of a folder, as ``basicsr data lmdb`` makes it."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    build = LmdbBuild(str(destination), plan_lmdb([str(source)]), settings or EntrySettings(), overwrite=True)
    for stored in build.run():
        assert stored.error is None, stored.error
    build.write_meta_info()
    build.publish()


def roots(root: Path, store: str, kind: str) -> dict[str, str]:
    """The keys of a dataset's options that name its files."""
    ending = '.lmdb' if store == 'lmdb' else ''
    return {
        f'dataroot_{side}': os.fspath(root / f'{store}_{kind}' / f'{side}{ending}') for side in ('lq', 'gt')
    }


def _view(index: int, mirrored: bool) -> np.ndarray:
    """Part of a photograph at a scale of its own, so that no two images are the same."""
    name = PHOTOGRAPHS[index % len(PHOTOGRAPHS)]
    photograph = decode_image(importlib.resources.files('skimage').joinpath('data', name).read_bytes(), name)
    width, height = SIZE
    larger = 1 + 0.6 * ((index * 0.618) % 1)
    size = (round(width * larger), round(height * larger))
    scaled = cv2.resize(np.ascontiguousarray(photograph), size, interpolation=cv2.INTER_AREA)
    part = scaled[size[1] - height :, size[0] - width :]
    return part[:, ::-1] if mirrored else part
