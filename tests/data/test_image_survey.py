"""Each image is looked at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cclgan_plugin.data import image_header, image_survey
from cclgan_plugin.data.image_survey import survey
from cclgan_plugin.data.sources import FileSource


@pytest.mark.parametrize('kind', ['PNG', 'WEBP', 'BMP', 'TIFF'])
def test_an_image_is_decoded_once(
    tmp_path: Path,
    picture: np.ndarray,
    encode: Callable[..., bytes],
    kind: str,
    count_decoding: Callable[..., list[str]],
) -> None:
    decoded = count_decoding(image_header, image_survey)
    (tmp_path / 'a').write_bytes(encode(picture, kind))
    (seen,) = survey(FileSource(str(tmp_path), ['a']), 1)
    assert (seen.kind, seen.width, seen.height, seen.error) == (kind, 36, 24, None)
    assert decoded == [str(tmp_path / 'a')]
