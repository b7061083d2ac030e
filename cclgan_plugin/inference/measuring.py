"""How good derained pictures are: against the truth, or, without it, how natural they look."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping

import numpy as np

from cclgan_plugin.data.image_folder import find_images
from cclgan_plugin.errors import DataError, did_you_mean
from cclgan_plugin.inference.picture_file import read_picture
from cclgan_plugin.whole_file import write_whole

#: The columns of the table, beside the picture.
_FIGURES = ('psnr', 'ssim', 'niqe')
#: What reading a file that is no such table may raise.
_NO_TABLE = (OSError, ValueError, KeyError, TypeError, csv.Error)


class Measurer:
    """Measures result files as they lie on the disk, by BasicSR's metrics.

    Args:
        truth: a folder of rain-free pictures named as the results, or None. The only one of a stem may have
            another extension.
        niqe: measure NIQE, which needs no truth.

    Raises:
        DataError: the folder is missing or holds no pictures.
    """

    def __init__(self, truth: str | None, niqe: bool) -> None:
        self.truth, self.niqe = truth, niqe
        self.names: dict[str, list[str]] = {}
        if truth is not None:
            for name in find_images(truth, '--metrics'):
                self.names.setdefault(os.path.splitext(name)[0], []).append(name)

    def measure(self, name: str, file: str) -> dict[str, float]:
        """Figures of one result.

        Args:
            name: its path below the output folder.
            file: where it lies.

        Returns:
            ``psnr`` (dB) and ``ssim`` of the luma channel with a truth, ``niqe`` if asked for.

        Raises:
            DataError: its truth is missing, not to be told from others, or of another size.
        """
        from basicsr.metrics import calculate_niqe, calculate_psnr, calculate_ssim

        from cclgan_plugin.mends.validation_images import current_image

        current_image.set(file)  # the metrics' warnings name it
        image = _bgr255(read_picture(file).pixels)
        values = {}
        if self.truth is not None:
            other = os.path.join(self.truth, self._truth_of(name, file))
            truth = _bgr255(read_picture(other).pixels)
            if truth.shape != image.shape:
                raise DataError(
                    f'{file}: --metrics: it has {image.shape[1]}x{image.shape[0]} pixels, {other} has '
                    f'{truth.shape[1]}x{truth.shape[0]}'
                )
            values['psnr'] = float(calculate_psnr(image, truth, crop_border=0, test_y_channel=True))
            # SSIM's window has 11 pixels.
            small = min(image.shape[:2]) < 11
            values['ssim'] = (
                math.nan if small else float(calculate_ssim(image, truth, crop_border=0, test_y_channel=True))
            )
        if self.niqe:
            values['niqe'] = float(calculate_niqe(image, crop_border=0))
        return values

    def _truth_of(self, name: str, file: str) -> str:
        stem = os.path.splitext(name)[0]
        found = self.names.get(stem, [])
        if name in found:
            return name
        if not found:
            raise DataError(
                f'{file}: --metrics: {self.truth} has no picture of that name.'
                + did_you_mean(stem, self.names)
            )
        if len(found) > 1:
            raise DataError(f'{file}: --metrics: {self.truth} has {" and ".join(found)}, but no {name}')
        return found[0]


def figures_of(table: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The names of all figures that some picture has."""
    return list(dict.fromkeys(name for row in table.values() for name in row))


def means(table: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over the pictures that have one."""
    found = {
        name: [row[name] for row in table.values() if math.isfinite(row.get(name, math.nan))]
        for name in figures_of(table)
    }
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def read_table(path: str) -> dict[str, dict[str, float]]:
    """What :func:`write_table` has written, without the mean; nothing where there is no such table."""
    try:
        return _rows(path)
    except _NO_TABLE:
        return {}


def check_table(path: str) -> None:
    """Makes sure that a file is not there or is a table of an earlier run, which the next one may replace.

    Raises:
        DataError: it is somebody's own.
    """
    if not os.path.lexists(path):
        return
    try:
        _rows(path)
    except _NO_TABLE as error:
        raise DataError(
            f'{path}: --metrics and --niqe write their table there, and this is none of an earlier run '
            f'(columns picture, {", ".join(_FIGURES)}); move it away, or use --overwrite'
        ) from error


def _rows(path: str) -> dict[str, dict[str, float]]:
    with open(path, encoding='utf-8', errors='surrogateescape', newline='') as file:
        reader = csv.DictReader(file)
        unknown = set(reader.fieldnames or ()) - {'picture', *_FIGURES}
        if unknown:
            raise ValueError(f'unknown columns: {unknown}')
        return {
            row['picture']: {name: float(text) for name, text in row.items() if name != 'picture' and text}
            for row in reader
            if row['picture'] != 'mean'
        }


def write_table(path: str, table: Mapping[str, Mapping[str, float]]) -> None:
    """All figures as CSV, one line for each picture, then the mean."""
    names = figures_of(table)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['picture', *names])
    for picture, row in [*sorted(table.items()), ('mean', means(table))]:
        writer.writerow([picture, *(f'{row[name]:.6g}' if name in row else '' for name in names)])
    write_whole(path, text.getvalue().encode(errors='surrogateescape'))


def _bgr255(pixels: np.ndarray) -> np.ndarray:
    """As BasicSR's metrics take it: BGR, of the range of 8 bits."""
    image = pixels[..., ::-1]
    return image if image.dtype == np.uint8 else image.astype(np.float64) / 257
