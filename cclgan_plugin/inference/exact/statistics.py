"""Mean and variance of a whole map, gathered band by band, and the norms that need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.inference.exact.trace import Operation, TileError

#: Devices that cannot compute in it: Apple's GPUs.
_WITHOUT_FLOAT64 = ('mps',)


class Moments:
    """Mean and variance of every channel of a map that is seen in bands.

    Bands are put together by Chan's formula in float64 (Chan, Golub, LeVeque, "Updating formulae and a
    pairwise algorithm for computing sample variances", 1979): no difference of large numbers, and the result
    hardly depends on where the bands end.
    """

    def __init__(self) -> None:
        self.device: torch.device | None = None
        self.count = 0
        self.mean: Tensor | None = None
        self.squares: Tensor | None = None

    def add(self, band: Tensor) -> None:
        """Count in a band ``(1, C, h, w)``."""
        values = band.float() if band.dtype in (torch.float16, torch.bfloat16) else band
        variance, mean = torch.var_mean(values, (0, 2, 3), correction=0)
        n = values.shape[2] * values.shape[3]
        self.device = values.device
        exact = torch.device('cpu') if values.device.type in _WITHOUT_FLOAT64 else values.device
        mean, squares = mean.to(exact).double(), variance.to(exact).double() * n
        if self.mean is None or self.squares is None:
            self.count, self.mean, self.squares = n, mean, squares
            return
        total = self.count + n
        step = mean - self.mean
        self.mean = self.mean + step * (n / total)
        self.squares = self.squares + squares + step.square() * (self.count * n / total)
        self.count = total

    def variance(self, correction: float = 0) -> Tensor:
        """``(C,)`` in float64; divided by the count less ``correction``."""
        assert self.squares is not None
        return self.squares / max(self.count - correction, 0)


@dataclass(frozen=True)
class Norm:
    """A norm over the whole map.

    Attributes:
        groups: channels are put together to this many groups; all of them apart where it is their number.
        weight: ``(C,)`` factor, or None.
        bias: ``(C,)``, or None.
        eps: added to the variance.
    """

    groups: int
    weight: Tensor | None
    bias: Tensor | None
    eps: float


def norm_of(op: Operation) -> Norm | None:
    """The norm that an operation is; None for other operations and for norms with stored statistics.

    Raises:
        TileError: a norm of another kind.
    """
    a, channels = op.args, op.shape[1] if len(op.shape) == 4 else 0
    if op.name == 'native_layer_norm':
        if a[2] is not None or a[3] is not None or len(a[1]) not in (2, 3):
            raise TileError('exact tiles: a layer norm with a weight for each pixel, or of single rows')
        return Norm(channels if len(a[1]) == 2 else 1, None, None, a[4])
    if op.name == 'native_group_norm':
        return Norm(a[6], a[1], a[2], a[7])
    if op.name in ('native_batch_norm', 'cudnn_batch_norm'):
        return Norm(channels, a[1], a[2], a[7]) if a[5] else None
    if op.name == '_native_batch_norm_legit' and len(a) == 6 and a[3]:
        return Norm(channels, a[1], a[2], a[5])
    return None


def is_stored_norm(op: Operation) -> bool:
    """Whether an operation is a batch norm with the statistics of the training."""
    return op.name == '_native_batch_norm_legit_no_training' or (
        op.name in ('native_batch_norm', 'cudnn_batch_norm') and not op.args[5]
    )


def scale_and_shift(norm: Norm, moments: Moments) -> tuple[Tensor, Tensor]:
    """Shift and scale of a norm, ``(1, C, 1, 1)`` in float32: ``(x - shift) * scale``."""
    mean, variance = moments.mean, moments.variance()
    assert mean is not None
    if norm.groups != len(mean):
        means, variances = mean.view(norm.groups, -1), variance.view(norm.groups, -1)
        centre = means.mean(1, keepdim=True)
        # Mean of the variances plus variance of the means; all channels have the same number of pixels.
        spread = (variances + (means - centre).square()).mean(1, keepdim=True)
        mean, variance = centre.expand_as(means).flatten(), spread.expand_as(means).flatten()
    scale = (variance + norm.eps).rsqrt()
    shift, scale = (values.float().to(moments.device).view(1, -1, 1, 1) for values in (mean, scale))
    return shift, scale


def apply_norm(norm: Norm, statistics: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
    """The norm of a band."""
    shift, scale = statistics
    y = (x - shift).mul_(scale)
    if norm.weight is not None:
        y = y * norm.weight.view(1, -1, 1, 1)
    if norm.bias is not None:
        y = y + norm.bias.view(1, -1, 1, 1)
    return y.to(x.dtype)


def apply_stored_norm(op: Operation, x: Tensor) -> Tensor:
    """A batch norm in evaluation, of a band."""
    _, weight, bias, mean, variance = op.args[:5]
    eps = op.args[6] if op.name.endswith('no_training') else op.args[7]
    return torch.nn.functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)


def reduction(op: Operation, moments: Moments) -> Any:
    """Result of a mean, sum or variance over all pixels, as the operation would give it."""
    name, args = op.name, op.args
    keep = op.kwargs.get('keepdim', args[2] if len(args) > 2 and name in ('mean', 'sum') else False)
    correction = op.kwargs.get('correction', 1)
    mean = moments.mean
    assert mean is not None

    def shaped(values: Tensor) -> Tensor:
        return values.to(op.dtype).to(moments.device).view((1, -1, 1, 1) if keep else (1, -1))

    if name == 'mean':
        return shaped(mean)
    if name == 'sum':
        return shaped(mean * moments.count)
    variance = shaped(moments.variance(1 if correction is None else correction))
    return (variance, shaped(mean)) if name == 'var_mean' else variance
