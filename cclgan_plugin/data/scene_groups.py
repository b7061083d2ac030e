"""Images that show the same scene, put into groups."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.data.image_survey import survey
from cclgan_plugin.data.similar_images import SIMILAR, similar_groups
from cclgan_plugin.data.sources import ImageSource


def scene_groups(
    source: ImageSource, threshold: float = SIMILAR, progress: Callable[[], object] = lambda: None
) -> np.ndarray:
    """The group of each image: those with the same pixels, and those that look alike, are together.

    Args:
        source: the images.
        threshold: correlation of signatures from which two images look alike.
        progress: called after every image.

    Returns:
        The group of each image, ``(N,)``, counted from 0.

    Raises:
        ImageError: an image cannot be read.
    """
    signatures, first = [], dict[bytes, int]()
    same = np.arange(len(source))
    for index, image in enumerate(survey(source)):
        if image.error is not None or image.signature is None:
            raise ImageError(image.error or image.name)
        signatures.append(image.signature)
        same[index] = first.setdefault(image.digest, index)
        progress()
    groups = similar_groups(np.stack(signatures), threshold)
    # Flat images resemble nothing but their equals, and equal images are alike in all else.
    return np.unique(groups[same], return_inverse=True)[1]
