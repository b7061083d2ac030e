"""Bicubic resizing with antialiasing, as two matrix products."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Crops have one size in training; someone who feeds whole photographs should not fill the memory.
_MATRICES_KEPT = 8


class AntialiasedResize(nn.Module):
    """(N, C, H, W) to (N, C, height, width), as ``F.interpolate(mode='bicubic', antialias=True)``.

    Resizing is linear and separable, so it is ``rows @ image @ columns^T``. PyTorch's own kernel adds
    up its gradient in no fixed order on a GPU and is missing on some devices; products are neither.
    Like PyTorch's kernel, and unlike Pillow, the result is not clamped: it may leave [0, 1] a little.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height = height
        self.width = width
        self._matrices: dict[tuple[int, int], Tensor] = {}

    def forward(self, images: Tensor) -> Tensor:
        rows = self._matrix(self.height, images.shape[-2], images)
        columns = self._matrix(self.width, images.shape[-1], images)
        # Eight bits of mantissa would be coarser than the image's own 256 levels.
        with torch.autocast(images.device.type, enabled=False):
            return rows @ images @ columns.T

    def _matrix(self, target: int, source: int, like: Tensor) -> Tensor:
        """What turns a column of ``source`` pixels into one of ``target``, read off PyTorch's own kernel."""
        matrix = self._matrices.get((target, source))
        if matrix is None or matrix.dtype != like.dtype or matrix.device != like.device:
            with torch.inference_mode(False), torch.no_grad():
                # Two columns at least: of a single one PyTorch 2.15 makes rubbish.
                unit = torch.eye(source, max(source, 2), dtype=torch.float64, device='cpu')[None, None]
                size = (target, unit.shape[-1])
                resized = F.interpolate(unit, size=size, mode='bicubic', antialias=True)[0, 0, :, :source]
                # In two steps, because not every device has float64.
                matrix = resized.to(like.dtype).to(like.device)
            if len(self._matrices) >= _MATRICES_KEPT:
                self._matrices.pop(next(iter(self._matrices)))
            self._matrices[target, source] = matrix
        return matrix
