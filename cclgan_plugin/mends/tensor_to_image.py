"""``tensor2img`` changes the tensor it is given, and shows NaN as black.

In every release: it clamps a float CPU tensor in place, and casting NaN to 8 bits gives 0, so that a broken
network looks like a dark image. May go when it clamps a copy and refuses NaN.
"""

from __future__ import annotations

from typing import Any

import torch
from basicsr.utils import img_util
from torch import Tensor

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.mends.replacing import replace


def needed() -> bool:
    """True where the input comes back clamped."""
    probe = torch.full((1, 2, 2), 2.0)
    img_util.tensor2img(probe)
    return probe.max().item() < 2.0


def _checked_copy(tensor: Tensor) -> Tensor:
    """A copy that may be changed.

    Raises:
        TrainingError: it holds NaN or infinite values.
    """
    broken = int((~torch.isfinite(tensor)).sum())
    if broken:
        raise TrainingError(
            f'An image of shape {tuple(tensor.shape)} holds {broken} NaN or infinite value(s), so there is '
            'nothing to show or to measure: the network that made it is broken.'
        )
    return tensor.detach().clone()


def tensor2img(tensor: Tensor | list[Tensor], *args: Any, **kwargs: Any) -> Any:
    """BasicSR's ``tensor2img``; the tensor stays as it is.

    Args:
        tensor: (N, C, H, W), (C, H, W) or (H, W), RGB, or a list of these.
        args: see BasicSR's.
        kwargs: see BasicSR's.

    Raises:
        TrainingError: it holds NaN or infinite values.
    """
    if torch.is_tensor(tensor):
        tensor = _checked_copy(tensor)
    elif isinstance(tensor, list):
        tensor = [_checked_copy(one) if torch.is_tensor(one) else one for one in tensor]
    return tensor2img.unmended(tensor, *args, **kwargs)  # type: ignore[attr-defined]


def tensor2img_fast(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
    """BasicSR's ``tensor2img_fast``, for one image (1, C, H, W); the tensor stays as it is."""
    return tensor2img_fast.unmended(_checked_copy(tensor), *args, **kwargs)  # type: ignore[attr-defined]


def apply() -> None:
    """Convert images without side effects, in every module that does so."""
    replace(img_util.tensor2img, tensor2img)
    replace(img_util.tensor2img_fast, tensor2img_fast)
