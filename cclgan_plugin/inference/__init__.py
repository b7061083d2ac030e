"""Rain out of pictures: the Python API, exact large images, files, video and export."""

from cclgan_plugin.inference.derainer import Derainer

__all__ = ['Derainer']
