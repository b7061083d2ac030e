"""Can the pictures of a validation or test set be saved and measured as the options say?"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import Any

from cclgan_plugin.errors import DataError, OptionError

#: Sides of the smallest image that is left of a metric's border; NIQE says itself which ones it passes over.
_SMALLEST = {'calculate_psnr': 1, 'calculate_ssim': 11}


def check_saved_names(val: dict[str, Any], names: Iterable[str]) -> None:
    """BasicSR names the pictures of a set by what stands before the ending, without folders.

    Raises:
        DataError: two would go to one file.
    """
    if not val.get('save_img'):
        return
    seen: dict[str, str] = {}
    for name in names:
        stem = os.path.splitext(os.path.basename(name))[0]
        if stem in seen:
            raise DataError(
                f'{seen[stem]} and {name} would be saved as one picture, "{stem}"; give one another name, or '
                'set val.save_img: false'
            )
        seen[stem] = name


def check_borders(val: dict[str, Any], sizes: Collection[tuple[int, int]]) -> None:
    """What a metric's border leaves of an image can be measured.

    Args:
        val: the options' ``val``.
        sizes: heights and widths of images.

    Raises:
        OptionError: nothing, or too little, is left of one.
    """
    for name, metric in (val.get('metrics') or {}).items():
        border, smallest = metric.get('crop_border', 0), _SMALLEST.get(metric['type'])
        side = min((min(size) for size in sizes), default=None)
        if smallest and side is not None and side - 2 * border < smallest:
            raise OptionError(
                f'val.metrics.{name}.crop_border: {border} leaves {max(0, side - 2 * border)} pixels of an '
                f'image with a side of {side}; {metric["type"]} needs {smallest}'
            )
