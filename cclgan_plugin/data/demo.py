"""A small rainy / clean / validation set from the colour photographs that ship with scikit-image."""

from __future__ import annotations

import importlib.resources
import os
import shutil
from dataclasses import dataclass

import numpy as np

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_file import encode_image
from cclgan_plugin.data.preview import middle, side_by_side
from cclgan_plugin.data.rain_folder import rain_on
from cclgan_plugin.data.rain_params import RainParams, vary
from cclgan_plugin.data.randomness import generator
from cclgan_plugin.errors import DataError
from cclgan_plugin.partial_file import partial_path

# No photograph is on two sides. Rainy and clean are divided so that their colours differ least,
# or a discriminator would tell the sides apart by colour and not by rain.
RAINY = ('astronaut.png', 'rocket.jpg')
CLEAN = ('motorcycle_left.png', 'coffee.png')
VALIDATION = ('chelsea.png',)

TILE = 128
# A tile is a small part of a photograph, as seen through a longer lens: larger and fewer streaks.
DEMO_RAIN = RainParams(density=300, length=0.25, width=0.013)
_VARIATION = 0.3


@dataclass(frozen=True)
class DemoSet:
    """What was written.

    Attributes:
        root: the folder.
        counts: number of images by subfolder.
        preview: a picture that shows some of them.
    """

    root: str
    counts: dict[str, int]
    preview: str


def write_demo(root: str, overwrite: bool = False, seed: int = 0) -> DemoSet:
    """Writes the demo set: ``rainy``, ``clean``, ``val/rainy``, ``val/clean`` (same names), ``preview.png``.

    Everything is made in a hidden folder first and then moved, so an interrupted run leaves
    nothing half done.

    Args:
        root: the folder to write to.
        overwrite: whether a folder that is not empty may be used. Files of the set are then replaced,
            all others are left alone.
        seed: other numbers give other rain.

    Raises:
        DataError: ``root`` is a file, or not empty without ``overwrite``; it cannot be written; or
            scikit-image's photographs are missing.
    """
    root = os.path.realpath(os.path.expanduser(root))
    if os.path.exists(root) and not os.path.isdir(root):
        raise DataError(f'DIR: "{root}" is a file, a folder was expected')
    if os.path.isdir(root) and os.listdir(root) and not overwrite:
        raise DataError(f'DIR: "{root}" is not empty; choose another folder, or use --overwrite')
    images = _make(seed)
    new = not os.path.isdir(root)
    folder, name = os.path.split(root)
    staging = partial_path(os.path.join(folder if new else root, name))
    try:
        for path, image in images.items():
            os.makedirs(os.path.dirname(os.path.join(staging, path)), exist_ok=True)
            with open(os.path.join(staging, path), 'wb') as file:
                file.write(encode_image(image, '.png'))
        if new:
            os.rename(staging, root)
        else:
            for path in images:
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                os.replace(os.path.join(staging, path), os.path.join(root, path))
    except OSError as error:
        raise DataError(f'DIR: "{root}" cannot be written: {error.strerror or error}') from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    counts: dict[str, int] = {}
    for path in images:
        counts[os.path.dirname(path)] = counts.get(os.path.dirname(path), 0) + 1
    preview = counts.pop('')
    return DemoSet(root, counts, os.path.join(root, 'preview.png') if preview else '')


def _make(seed: int) -> dict[str, np.ndarray]:
    """All images of the set by their path in it."""
    images: dict[str, np.ndarray] = {}
    for photograph in CLEAN:
        images |= {f'clean/{name}': tile for name, tile in _tiles(photograph).items()}
    for photograph in RAINY:
        images |= {f'rainy/{name}': _rain(tile, name, seed) for name, tile in _tiles(photograph).items()}
    for photograph in VALIDATION:
        for name, tile in _tiles(photograph).items():
            images[f'val/clean/{name}'] = tile
            images[f'val/rainy/{name}'] = _rain(tile, name, seed)
    images['preview.png'] = _preview(images)
    return images


def _rain(tile: np.ndarray, name: str, seed: int) -> np.ndarray:
    rng = generator(seed, f'demo rain {name}')
    return rain_on(tile, vary(DEMO_RAIN, _VARIATION, rng), rng)


def _tiles(photograph: str) -> dict[str, np.ndarray]:
    """The photograph's middle cut into squares, by name."""
    image = load_photograph(photograph)
    rows, columns = image.shape[0] // TILE, image.shape[1] // TILE
    image = middle(image, rows * TILE, columns * TILE)
    stem = os.path.splitext(photograph)[0]
    tiles = {}
    for row in range(rows):
        for column in range(columns):
            y, x = row * TILE, column * TILE
            tiles[f'{stem}_{row}{column}.png'] = image[y : y + TILE, x : x + TILE]
    return tiles


def load_photograph(name: str) -> np.ndarray:
    """A colour photograph that ships with scikit-image, by its file name: uint8 ``(H, W, 3)``, RGB.

    Raises:
        DataError: scikit-image is not installed with it.
    """
    try:
        data = importlib.resources.files('skimage').joinpath('data').joinpath(name).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise DataError(
            f'scikit-image is not installed with its photograph "{name}"; '
            '"pip install --force-reinstall scikit-image" brings it'
        ) from error
    return decode_image(data, name)


def _preview(images: dict[str, np.ndarray]) -> np.ndarray:
    pairs = [path.removeprefix('val/rainy/') for path in images if path.startswith('val/rainy/')][:4]
    rainy = [path for path in images if path.startswith('rainy/')]
    clean = [path for path in images if path.startswith('clean/')]
    rows = []
    for index, pair in enumerate(pairs):
        spread = [side[index * len(side) // len(pairs)] for side in (rainy, clean)]
        rows.append([images[path] for path in (*spread, f'val/rainy/{pair}', f'val/clean/{pair}')])
    return side_by_side(rows, ('rainy', 'clean', 'val rainy', 'val clean'))
