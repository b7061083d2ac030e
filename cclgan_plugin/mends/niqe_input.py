"""``LinAlgError: SVD did not converge`` or empty arrays: NIQE of an image that is small or flat.

In every release: NIQE fits a Gaussian to blocks of 96 pixels, and needs at least two that are not flat.
Such an image has no NIQE; the value becomes NaN, with the reason as a warning, and
:mod:`~cclgan_plugin.mends.metric_means` leaves it out of the mean. May go when BasicSR says so itself.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from basicsr.metrics import niqe as niqe_module
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace
from cclgan_plugin.mends.validation_images import current_image

__all__ = ['apply', 'calculate_niqe', 'needed']

#: Side of NIQE's blocks, in pixels.
BLOCK = 96


def calculate_niqe(
    img: np.ndarray, crop_border: int, input_order: str = 'HWC', convert_to: str = 'y', **kwargs: Any
) -> float:
    """NIQE, lower is better; NaN for an image that has none.

    Args:
        img: (H, W, 3) BGR, (3, H, W) or (H, W), in [0, 255].
        crop_border: pixels to leave out at each edge.
        input_order: HWC, CHW or HW.
        convert_to: y or gray.
        kwargs: ignored, so that one call serves all metrics.
    """
    height, width = img.shape[1:] if input_order == 'CHW' else img.shape[:2]
    blocks = max(0, height - 2 * crop_border) // BLOCK * (max(0, width - 2 * crop_border) // BLOCK)
    reason = (
        f'it has {height}x{width} pixels, which gives {blocks} block(s) of {BLOCK}x{BLOCK}; two are needed'
    )
    if blocks >= 2:
        try:
            with np.errstate(all='ignore'), warnings.catch_warnings():
                warnings.simplefilter('ignore', RuntimeWarning)  # means of no values, from flat blocks
                return calculate_niqe.unmended(img, crop_border, input_order, convert_to)  # type: ignore[attr-defined]
        except np.linalg.LinAlgError:
            reason = f'fewer than two of its {blocks} blocks have any texture'
    get_root_logger().warning(f'{current_image.get()} has no NIQE: {reason}.')
    return float('nan')


def apply() -> None:
    """Answer for every image, by name and from the registry."""
    original = METRIC_REGISTRY.get('calculate_niqe')
    replace(niqe_module.calculate_niqe, calculate_niqe)
    METRIC_REGISTRY._obj_map['calculate_niqe'] = calculate_niqe
    calculate_niqe.unmended = original  # type: ignore[attr-defined]
