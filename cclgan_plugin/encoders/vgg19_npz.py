"""VGG19's convolutions from 8-bit integers in a numpy archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cclgan_plugin.encoders.vgg19_tower import convolutions
from cclgan_plugin.errors import WeightsError

# These weights go back to Caffe's: RGB in 0..255 minus the mean colour of ImageNet, not divided.
MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
STD = (1 / 255, 1 / 255, 1 / 255)


def read_quantised_vgg19(path: Path) -> dict[str, Tensor]:
    """All 32 tensors (``conv1_1.weight`` ... ``conv5_4.bias``) in float64.

    Each kernel is stored as ``convB_C.weight_q`` (uint8, OIHW, RGB in) with the scalars
    ``.weight_scale`` and ``.weight_min``: weight = q * scale + min. ``.bias`` is a float vector.

    Raises:
        WeightsError: not such an archive, or damaged, or a tensor is missing or of the wrong type.
    """
    try:
        # allow_pickle=False: arrays of Python objects could run code.
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:
        raise WeightsError(f'{path}: not a readable numpy .npz archive ({error}).') from error

    tensors: dict[str, Tensor] = {}
    for conv in convolutions():
        for part, kind in (('weight_q', 'u'), ('weight_scale', 'f'), ('weight_min', 'f'), ('bias', 'f')):
            array = arrays.get(f'{conv}.{part}')
            wanted = 'unsigned 8-bit' if kind == 'u' else 'floating-point'
            scalar = part in ('weight_scale', 'weight_min')
            if array is None:
                raise WeightsError(
                    f'{path}: not 8-bit VGG19 weights: the array "{conv}.{part}" ({wanted}) is missing. '
                    f'The file holds {len(arrays)} arrays: {", ".join(list(arrays)[:4]) or "none"}...'
                )
            right_type = array.dtype == np.uint8 if kind == 'u' else array.dtype.kind == 'f'
            if not right_type or (scalar and array.size != 1):
                raise WeightsError(
                    f'{path}: "{conv}.{part}" should be {"one " if scalar else ""}{wanted}, '
                    f'the file has {array.dtype} {array.shape}.'
                )
        quantised = arrays[f'{conv}.weight_q'].astype(np.float64)
        scale = float(arrays[f'{conv}.weight_scale'].item())
        minimum = float(arrays[f'{conv}.weight_min'].item())
        tensors[f'{conv}.weight'] = torch.from_numpy(quantised * scale + minimum)
        tensors[f'{conv}.bias'] = torch.from_numpy(arrays[f'{conv}.bias'].astype(np.float64))
    return tensors
