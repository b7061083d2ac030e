"""The images of one side held in memory, encoded or decoded, once for all workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from tqdm import tqdm

from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.ordered_work import in_order
from cclgan_plugin.data.shared_bytes import SharedBytes
from cclgan_plugin.data.sources import ImageSource

CACHES = ('off', 'encoded', 'decoded')


class EncodedCache(ImageSource):
    """A source whose bytes have all been read: for sets on slow or remote disks.

    What could not be read is looked for again when it is asked for.

    Args:
        source: where the images come from.

    Raises:
        DataError: they do not fit into the shared memory that is free.
    """

    def __init__(self, source: ImageSource) -> None:
        super().__init__(source.root, source.names)
        self._source = source

        def read(index: int) -> np.ndarray | None:
            try:
                return np.frombuffer(source.read(index), np.uint8)
            except ImageError:
                return None

        self._bytes = SharedBytes()
        for piece in _fill('reading', len(source), read):
            self._bytes.append(piece)
        self._bytes.close()

    def name(self, index: int) -> str:
        return self._source.name(index)

    def read(self, index: int) -> bytes:
        piece = self._bytes[index]
        return self._source.read(index) if piece is None else piece.tobytes()


class DecodedCache:
    """The pixels of a source's images: for sets that fit into memory, some 0.5 MB for 480x320.

    Args:
        source: where the images come from.
        at_least: see :func:`~cclgan_plugin.data.decode.decode_image`.

    Raises:
        DataError: they do not fit into the shared memory that is free.
    """

    def __init__(self, source: ImageSource, at_least: int | None) -> None:
        def decode(index: int) -> np.ndarray | None:
            try:
                return decode_image(source.read(index), source.name(index), at_least)
            except ImageError:
                return None

        self._shapes: list[tuple[tuple[int, ...], str] | None] = []
        self._bytes = SharedBytes()
        for image in _fill('decoding', len(source), decode):
            self._shapes.append(None if image is None else (image.shape, image.dtype.str))
            self._bytes.append(
                None if image is None else np.ascontiguousarray(image).view(np.uint8).reshape(-1)
            )
        self._bytes.close()

    def get(self, index: int) -> np.ndarray | None:
        """The image ``(H, W, 3)``, a view of shared memory; None if it could not be decoded."""
        shape, pixels = self._shapes[index], self._bytes[index]
        return None if shape is None or pixels is None else pixels.view(shape[1]).reshape(shape[0])


def _fill(what: str, count: int, work: Callable[[int], np.ndarray | None]) -> Iterator[np.ndarray | None]:
    images = in_order(work, range(count))
    # disable=None: a bar on a terminal only
    yield from tqdm(images, total=count, desc=f'cache: {what}', unit='image', disable=None)
