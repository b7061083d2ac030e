"""Which image of one side stands at a position: a fresh shuffle each epoch, repeated as often as needed."""

from __future__ import annotations

import functools

import numpy as np

from cclgan_plugin.data.randomness import generator


def shuffled_index(count: int, seed: int, purpose: str, epoch: int, position: int) -> int:
    """The index of the image at a position of an epoch, in [0, count).

    Positions 0 .. count - 1 are one permutation of the images, the next ``count`` positions another
    one, and so on: a smaller side is used up completely before any of its images comes again.

    Args:
        count: number of images on the side.
        seed: ``manual_seed``.
        purpose: keeps the two sides independent of each other.
        epoch: counts from 0.
        position: place in the epoch, from 0, without an upper limit.
    """
    round_, place = divmod(position, count)
    return int(_permutation(count, seed, purpose, epoch, round_)[place])


# A worker asks for rising positions of one epoch; a few shuffles are in use at a time.
@functools.lru_cache(maxsize=8)
def _permutation(count: int, seed: int, purpose: str, epoch: int, round_: int) -> np.ndarray:
    return generator(seed, f'shuffle {purpose}', epoch, round_).permutation(count)
