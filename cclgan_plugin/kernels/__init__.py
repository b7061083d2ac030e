"""Kernels of our own for what lies between the convolutions, on NVIDIA cards and in channels-last format.

There the convolutions of a step take a quarter of its time; the rest is memory that is read and written:
norms, rectifiers, reflections, blurs, distances. Each kernel here reads what it needs once. They are
written in Triton, which comes with PyTorch for CUDA; where it is missing, :func:`fits` says no, and
PyTorch's own kernels run.

Images are ``(N, C, H, W)`` in channels-last memory format: to a kernel they are rows of C numbers, one for
each pixel, and a tile is some pixels of all channels.
"""

from cclgan_plugin.kernels.fitting import compares, fits, works_on

__all__ = ['compares', 'fits', 'works_on']
