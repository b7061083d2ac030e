"""Rain on every photograph below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_file import encode_named
from cclgan_plugin.data.image_folder import find_images
from cclgan_plugin.data.rain import Window, render_rain
from cclgan_plugin.data.rain_params import RainParams, vary
from cclgan_plugin.data.randomness import generator
from cclgan_plugin.data.sources import read_bytes
from cclgan_plugin.errors import DataError
from cclgan_plugin.whole_file import write_whole


class Rained(NamedTuple):
    """What became of one photograph.

    Attributes:
        name: its path relative to the folder.
        error: why there is no rainy version of it, or None.
    """

    name: str
    error: ImageError | None


def plan(clean: str, out: str, overwrite: bool, what: str = 'OUT_DIR', suffix: str = '') -> list[str]:
    """The photographs to rain on, after making sure that nothing of the user's gets lost.

    Args:
        clean: folder of clean photographs.
        out: folder for the rainy ones.
        overwrite: files in ``out`` may be replaced.
        what: what ``out`` is called in messages.
        suffix: what is put behind each name in ``out``.

    Returns:
        Paths relative to ``clean``.

    Raises:
        DataError: there are no photographs, one folder lies in the other, ``out`` is not empty and
            ``overwrite`` is off, or a link in it leads to a photograph.
    """
    names = find_images(clean, 'CLEAN_DIR')
    if os.path.isdir(out) and os.path.samefile(out, clean):
        raise DataError(f'{what}: "{out}" is CLEAN_DIR itself; rain would replace the clean photographs')
    keep_apart(out, clean, what)
    if os.path.lexists(out) and not os.path.isdir(out):
        raise DataError(f'{what}: "{out}" is a file, a folder was expected')
    if os.path.isdir(out) and os.listdir(out) and not overwrite:
        raise DataError(f'{what}: "{out}" is not empty; choose another folder, or use --overwrite')
    if os.path.isdir(out):
        _keep_originals(clean, out, names, suffix, what)
    return names


def _keep_originals(clean: str, out: str, names: list[str], suffix: str, what: str) -> None:
    """Links within a folder lead anywhere, also where the folders themselves lie apart."""
    originals = {os.path.realpath(os.path.join(clean, name)) for name in names}
    for name in names:
        place = os.path.join(out, name + suffix)
        if os.path.realpath(place) in originals:
            raise DataError(
                f'{what}: "{place}" leads by a link to the photograph "{os.path.realpath(place)}", whose '
                'place rain would take; remove the link, or choose another folder'
            )


def _holds(outer: str, inner: str) -> bool:
    if os.path.join(inner, '').startswith(os.path.join(outer, '')):
        return True
    # A path may be spelt with other capitals where the disk does not tell them apart.
    above = (Path(inner), *Path(inner).parents)
    return os.path.exists(outer) and any(place.exists() and place.samefile(outer) for place in above)


def keep_apart(one: str, other: str, what: str) -> None:
    """Makes sure that neither folder (or file) is, or lies in, the other.

    Raises:
        DataError: it does; the message begins with ``what``.
    """
    places = [os.path.realpath(folder) for folder in (one, other)]
    if _holds(*places) or _holds(*reversed(places)):
        raise DataError(f'{what}: "{one}" and "{other}" lie one inside the other; choose a place elsewhere')


def rain_on_folder(
    clean: str,
    out: str,
    names: list[str],
    params: RainParams,
    seed: int = 0,
    variation: float = 0,
    masks: str | None = None,
) -> Iterator[Rained]:
    """Writes a rainy version of each photograph, under the same relative name and in the same format.

    Same names and formats are what BasicSR's ``PairedImageDataset`` pairs by. The rain of a photograph
    follows from ``seed`` and its relative name only, so more photographs do not change it.

    Args:
        clean: folder of clean photographs.
        out: folder for the rainy ones.
        names: paths relative to ``clean``.
        params: the rain.
        seed: other numbers give other drops.
        variation: how much the kind of rain differs between photographs, see :func:`vary`.
        masks: folder for pictures of the streaks alone, ``NAME.png``: the share of each pixel that they
            cover, 255 = all of it; None = none are written.

    Yields:
        One result per photograph; a bad photograph is reported and does not end the work.

    Raises:
        DataError: a file cannot be written.
    """
    for name in names:
        source = os.path.join(clean, name)
        try:
            image = decode_image(read_bytes(source), source)
        except ImageError as error:
            yield Rained(name, error)
            continue
        rng = generator(seed, f'rain {name}')
        rainy, mask = rain_and_mask(image, vary(params, variation, rng), rng)
        try:
            encoded = encode_named(rainy, os.path.splitext(name)[1], source)
            encoded_mask = None if masks is None else encode_named(mask, '.png', source)
        except ImageError as error:
            yield Rained(name, error)
            continue
        if masks is not None and encoded_mask is not None:
            write_whole(os.path.join(masks, f'{name}.png'), encoded_mask)
        # Last: a rainy photograph that is there has its mask.
        write_whole(os.path.join(out, name), encoded)
        yield Rained(name, None)


def rain_on(
    image: np.ndarray, params: RainParams, rng: np.random.Generator, window: Window | None = None
) -> np.ndarray:
    """:func:`render_rain` for whole-number images: uint8 or uint16 ``(H, W, 3)`` in, the same type out."""
    return rain_and_mask(image, params, rng, window)[0]


def rain_and_mask(
    image: np.ndarray, params: RainParams, rng: np.random.Generator, window: Window | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`rain_on`, and the streaks alone, uint8 ``(H, W, 3)``, grey."""
    full = np.float32(np.iinfo(image.dtype).max)
    rainy, mask = render_rain(image.astype(np.float32) / full, params, rng, window)
    grey = np.rint(mask * 255).astype(np.uint8)
    return np.rint(rainy * full).astype(image.dtype), np.repeat(grey[..., None], 3, axis=2)
