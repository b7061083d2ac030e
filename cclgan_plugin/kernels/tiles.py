"""How channels-last images are cut into tiles."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

#: Numbers in a tile; 32 for each thread.
TILE = 4096
MOST_CHANNELS = 256
#: Programs that keep a card busy with sums; more of them cost more than they bring.
PROGRAMS = 512
#: Tiles of a sum for each program at least.
LEAST_TILES = 4


def tile_of(channels: int) -> tuple[int, int]:
    """Pixels and channels of a tile."""
    wide = min(triton.next_power_of_2(channels), MOST_CHANNELS)
    return TILE // wide, wide


def over_pixels(pixels: int, channels: int) -> tuple[tuple[int, int], dict[str, int]]:
    """A launch in which each program has one tile: the grid, and the tile as a kernel's arguments."""
    high, wide = tile_of(channels)
    grid = (triton.cdiv(pixels, high), triton.cdiv(channels, wide))
    return grid, {'channels': channels, 'P': high, 'C': wide}


def share_of(images: int, pixels: int, channels: int) -> tuple[int, int]:
    """How a sum over the pixels of each image is shared out: pixels in a share, and number of shares."""
    high, wide = tile_of(channels)
    programs = triton.cdiv(PROGRAMS, images * triton.cdiv(channels, wide))
    parts = max(1, min(programs, pixels // (high * LEAST_TILES)))
    share = triton.cdiv(triton.cdiv(pixels, parts), high) * high
    return share, triton.cdiv(pixels, share)


def empty_images(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """``(N, C, H, W)`` in channels-last format, of the dtype and on the device of ``like``."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def as_images(x: Tensor) -> Tensor:
    """``x`` itself if it is in channels-last format, a copy otherwise."""
    return x.contiguous(memory_format=torch.channels_last)
