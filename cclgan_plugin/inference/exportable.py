"""A network in plain operations that exporters understand, for any height and width."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.archs.norm import InstanceNorm


class _PlainInstanceNorm(nn.Module):
    """:class:`InstanceNorm` without a choice by memory format and without a gradient of its own."""

    def __init__(self, eps: float, slope: float) -> None:
        super().__init__()
        self.eps, self.slope = eps, slope

    def forward(self, x: Tensor) -> Tensor:
        y = F.instance_norm(x, eps=self.eps)
        # Its negative values times the slope; 1 = no rectifier.
        return y if self.slope == 1 else F.relu(y) if self.slope == 0 else F.leaky_relu(y, self.slope)


class _Padded(nn.Module):
    """Grows images to a size that the network need not pad any more, and crops its result.

    The network's own padding decides by the size in Python; here it is one lookup of rows and of columns.
    Rows beyond the edge are reflected, again and again if need be; a single row is repeated.
    """

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple

    def forward(self, x: Tensor) -> Tensor:
        padded = x.index_select(2, self._rows(x, 2)).index_select(3, self._rows(x, 3))
        y = self.network(padded)
        # A slice would have exporters ask whether there is anything to crop, and settle it once and for all.
        for axis in (2, 3):
            y = y.index_select(axis, torch.arange(x.shape[axis], device=x.device))
        return y

    def _rows(self, x: Tensor, axis: int) -> Tensor:
        size = x.shape[axis]
        # The same without max(), which tracing takes for a constant: 1 // n is 1 for 1, and 0 beyond.
        count = (size + self.multiple - 1) // self.multiple
        rows = torch.arange((count + 1 // count) * self.multiple, device=x.device)
        # A tensor, because ONNX has no remainder by a size.
        period = torch.ones_like(rows) * (2 * (size - 1) + 1 // size)
        rows = rows % period
        return torch.where(rows < size, rows, period - rows)


def exportable(network: nn.Module) -> nn.Module:
    """A copy that gives the same images, in plain operations."""
    plain = copy.deepcopy(network).eval()
    for module in list(plain.modules()):
        for name, child in module.named_children():
            if isinstance(child, InstanceNorm):
                setattr(module, name, _PlainInstanceNorm(child.eps, child.slope))
    multiple = getattr(network, 'size_multiple', None)
    if multiple is None:
        return plain
    # _Padded counts on it.
    assert network.min_padded_size == 2 * multiple
    plain._enter = lambda x: x * 2 - 1  # type: ignore[assignment]
    return _Padded(plain, int(multiple))
