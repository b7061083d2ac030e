"""Small images to read and helpers to write them in every format."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cclgan_plugin.data.decode import decode_image


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OMP_NUM_THREADS', '1')


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth, so that JPEG keeps it, and different in every corner, ``(24, 36, 3)`` uint8."""
    y, x = np.mgrid[0:24, 0:36]
    return np.stack([x * 7, y * 10, 255 - 3 * x - 5 * y], axis=2).clip(0, 255).astype(np.uint8)


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """``encode(array or Pillow image, format, **settings)`` gives the bytes of a file."""

    def run(image: np.ndarray | Image.Image, kind: str, **settings: Any) -> bytes:
        if isinstance(image, np.ndarray) and image.dtype == np.uint16:
            done, data = cv2.imencode(f'.{kind.lower()}', image[..., ::-1] if image.ndim == 3 else image)
            assert done
            return data.tobytes()
        pillow = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        buffer = io.BytesIO()
        pillow.save(buffer, kind, **settings)
        return buffer.getvalue()

    return run


@pytest.fixture
def count_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``count_decoding(*modules)`` gives the names of the images that these modules decode, as they do."""

    def run(*modules: ModuleType) -> list[str]:
        decoded: list[str] = []

        def counted(data: bytes, name: str) -> np.ndarray:
            decoded.append(name)
            return decode_image(data, name)

        for module in modules:
            monkeypatch.setattr(module, 'decode_image', counted)
        return decoded

    return run


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., str]:
    """``make_folder(name, count, size)`` writes noise images; the n-th pixel values tell image and side."""

    def run(name: str, count: int, size: int = 24) -> str:
        folder = tmp_path / name
        folder.mkdir()
        for index in range(count):
            rng = np.random.default_rng([len(name), index])
            image = rng.integers(0, 256, (size, size + 8, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f'{index:02d}.png'), image)
        return str(folder)

    return run


@pytest.fixture
def basicsr_log(tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """The lines logged as ``basicsr``, by this process and by forked workers."""
    path = tmp_path / 'basicsr.log'
    handler = logging.FileHandler(path)
    logger = logging.getLogger('basicsr')
    logger.addHandler(handler)
    yield lambda: path.read_text().splitlines()
    logger.removeHandler(handler)
    handler.close()
