"""A few locations of a feature map instead of all of them: where, and the vectors found there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.kernels.layout import is_channels_last


def draw_locations(height: int, width: int, count: int, generator: Generator | None = None) -> Tensor:
    """Draw distinct locations of a map, in random order.

    Args:
        height: of the map, in cells.
        width: of the map, in cells.
        count: how many; all of them where the map has fewer.
        generator: a CPU generator; torch's own by default.

    Returns:
        ``(P,)`` int64 indices into the flattened map, on the CPU.
    """
    return torch.randperm(height * width, generator=generator)[:count]


def draw_levels(
    sizes: Mapping[str, tuple[int, int]],
    levels: Iterable[str],
    count: int,
    generator: Generator | None = None,
) -> dict[str, Tensor]:
    """:func:`draw_locations` for each of ``levels``, whose heights and widths are ``sizes``."""
    return {level: draw_locations(*sizes[level], count, generator) for level in levels}


def move_locations(groups: Sequence[Mapping[str, Tensor]], device: torch.device) -> list[dict[str, Tensor]]:
    """Locations by level, groups of them, on a device: one transfer, from the CPU to a GPU without a wait."""
    parts = [where for group in groups for where in group.values()]
    if not parts:
        return [{} for _ in groups]
    packed = torch.cat(parts)
    to_card = device.type == 'cuda'
    if to_card and packed.device.type == 'cpu':
        packed = packed.pin_memory()
    pieces = iter(packed.to(device, non_blocking=to_card).split([len(where) for where in parts]))
    return [{level: next(pieces) for level in group} for group in groups]


def sample_locations(x: Tensor, locations: Tensor) -> Tensor:
    """The channel vectors of a map at some locations.

    Args:
        x: ``(N, C, h, w)``.
        locations: ``(P,)`` indices into the flattened ``h * w``, the same for all images.

    Returns:
        ``(N, P, C)``.
    """
    if is_channels_last(x):
        # The same, but so that the gradient is channels-last too, and need not be turned around to be added.
        return _rows(x).index_select(1, locations)
    return x.flatten(2).index_select(2, locations).transpose(1, 2)


def _rows(x: Tensor) -> Tensor:
    """A view of channels-last ``(N, C, H, W)`` as ``(N, H W, C)``."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def sample_levels(features: Mapping[str, Tensor], locations: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """:func:`sample_locations` for each level that has locations."""
    return {level: sample_locations(features[level], where) for level, where in locations.items()}


def conv_at(conv: nn.Conv2d, x: Tensor, locations: Tensor) -> Tensor:
    """The output of a zero-padded convolution, at some locations of its output only.

    Args:
        conv: square, no dilation, no groups.
        x: ``(N, C, H, W)``.
        locations: ``(P,)`` indices into the flattened output map.

    Returns:
        ``(N, P, C_out)``.
    """
    kernel, pad, stride = conv.kernel_size[0], int(conv.padding[0]), conv.stride[0]
    x = F.pad(x, (pad, pad, pad, pad))
    n, c, _, width = x.shape
    out_width = (width - kernel) // stride + 1
    rows, columns = torch.div(locations, out_width, rounding_mode='floor'), locations % out_width
    step = torch.arange(kernel, device=x.device)
    taps = (step[:, None] * width + step[None, :]).flatten()
    index = ((rows * width + columns) * stride)[:, None] + taps[None, :]
    if is_channels_last(x):
        patches = _rows(x).index_select(1, index.flatten()).view(n, len(locations), kernel * kernel, c)
        y = torch.einsum('npkc,ock->npo', patches, conv.weight.flatten(2))
    else:
        patches = x.flatten(2).index_select(2, index.flatten()).view(n, c, len(locations), kernel * kernel)
        y = torch.einsum('ncpk,ock->npo', patches, conv.weight.flatten(2))
    return y if conv.bias is None else y + conv.bias
