"""Images of any size in bounded memory, with the same result as in one piece.

Instance norm divides by statistics of the whole image, so a tile by itself comes out in other colours. Here
the network is taken apart into its single operations (:mod:`trace`); each knows which part of its input a
part of its output needs (:mod:`rules`). The image is passed through in bands, once for each norm: a pass
gathers the statistics of the whole image (:mod:`statistics`), the next ones use them. What a later pass needs
again is kept in memory or on the disk, or computed again, whichever is cheapest (:mod:`keeping`).
"""

from cclgan_plugin.inference.exact.bands import run_in_bands, whole_image_bytes
from cclgan_plugin.inference.exact.trace import trace

__all__ = ['run_in_bands', 'trace', 'whole_image_bytes']
