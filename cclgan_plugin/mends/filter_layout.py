"""``filter2D`` on the CPU: ``view size is not compatible with input tensor's size and stride``.

What comes out of ``DiffJPEG`` lies in memory channel by channel of each pixel; padding on the CPU keeps that
order, and ``filter2D`` views it as another one. Real-ESRGAN's models blur such images. In every release. May
go when ``filter2D`` reshapes.
"""

from __future__ import annotations

from basicsr.utils import img_process_util
from torch import Tensor

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace

__all__ = ['apply', 'filter2D', 'needed']


def filter2D(img: Tensor, kernel: Tensor) -> Tensor:
    """As BasicSR's, for images ``(N, C, H, W)`` in any memory format."""
    return filter2D.unmended(img.contiguous(), kernel)  # type: ignore[attr-defined]


def apply() -> None:
    """Filter this way wherever BasicSR does."""
    replace(img_process_util.filter2D, filter2D)
