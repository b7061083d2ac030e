"""What each trained method makes of the same test pictures, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.comparison.plan_files import TestSet
from benchmarks.comparison.runs import Places, Run
from benchmarks.comparison.scoring import read_eight_bits
from benchmarks.comparison.training_data import test_pictures
from cclgan_plugin.data.image_file import encode_image
from cclgan_plugin.data.preview import middle, side_by_side, spread
from cclgan_plugin.errors import DataError
from cclgan_plugin.whole_file import write_whole

#: Pictures of each test, evenly spread over its list, and how much of their middle is shown at most.
COUNT, HEIGHT, WIDTH = 5, 240, 320


def write_pictures(runs: Sequence[Run], places: Places, folder: Path) -> list[Path]:
    """A picture for each test of a protocol: a row for each photograph, a column for each trained method.

    Args:
        runs: of one protocol; those that are not trained yet have no column.
        places: where images and trainings are.
        folder: where the pictures go, as ``PROTOCOL-TEST.jpg``. They show the test images, whose terms
            may not let you pass them on.

    Raises:
        DataError: nothing is trained yet, or a test picture is missing.
    """
    from cclgan_plugin.inference.derainer import Derainer

    trained = [run for run in runs if run.method.base and run.checkpoint(places).is_file()]
    if not trained:
        raise DataError(f'none of {", ".join(run.method.name for run in runs)} has been trained yet')
    derainers = [Derainer.from_pretrained(run.checkpoint(places), device='cpu') for run in trained]
    names = ['input', *(run.method.name for run in trained)]
    written = []
    for test in runs[0].protocol.tests:
        photographs = [
            _photographs(test, name, places.data) for name in spread(test_pictures(test, places.data), COUNT)
        ]
        rows = [[rainy, *(derain(rainy) for derain in derainers), *truth] for rainy, truth in photographs]
        height, width = (min(row[0].shape[axis] for row in rows) for axis in (0, 1))
        size = min(height, HEIGHT), min(width, WIDTH)
        headings = [*names, 'truth'] if test.clean else names
        shown = side_by_side([[middle(image, *size) for image in row] for row in rows], headings)
        file = folder / f'{runs[0].protocol.name}-{test.name.replace(" ", "-")}.jpg'
        write_whole(file, encode_image(shown, file.suffix))
        written.append(file)
    return written


def _photographs(test: TestSet, name: str, data: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    truth = [] if test.clean is None else [read_eight_bits(data / test.clean / name)]
    return read_eight_bits(data / test.rainy / name), truth
