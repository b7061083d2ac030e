"""Pictures of many kinds as what networks work on, and back: arrays, tensors and PIL images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cclgan_plugin.errors import DataError

#: Red, green and blue in grey (ITU-R BT.601), as Pillow takes them.
LUMA = (0.299, 0.587, 0.114)

#: Puts the derained ``(N, 3, H, W)`` float tensor into the form that came in.
Back = Callable[[Tensor], Any]


def to_network(picture: Any) -> tuple[Tensor, Back]:
    """A picture as the network wants it, and the way back.

    Args:
        picture: one of

            - array ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` or ``(H, W, 4)``, RGB(A); uint8, uint16 (full
              range of the type) or float in [0, 1];
            - tensor ``(C, H, W)`` or ``(N, C, H, W)`` with C = 1 or 3, uint8, uint16 or float in [0, 1], any
              device;
            - PIL image of any mode; palettes become RGB. Profile, EXIF and resolution stay.

    Returns:
        ``(N, 3, H, W)`` float32 in [0, 1], and a function that gives a derained tensor of that shape the
        kind, shape, type and device of ``picture``. Alpha passes unchanged.

    Raises:
        DataError: another kind, shape or type, no pixels, NaN, or floats outside of [0, 1].
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    if isinstance(picture, Tensor):
        return _from_tensor(picture)
    if hasattr(picture, 'getbands') and hasattr(picture, 'convert'):
        return _from_pil(picture)
    raise DataError(f'expected an array, a tensor or a PIL image, got {type(picture).__name__}')


def is_whole(picture: np.ndarray) -> bool:
    """Whether an array has 8 or 16 bits, in any order of bytes."""
    return picture.dtype.kind == 'u' and picture.dtype.itemsize <= 2


def scaled(pixels: np.ndarray) -> Tensor:
    """``(H, W, C)`` as floats ``(C, H, W)``; whole numbers become parts of the range of their type."""
    x = torch.from_numpy(np.array(np.moveaxis(pixels, 2, 0), np.float32, order='C'))
    return x if pixels.dtype.kind == 'f' else x.div_(float(np.iinfo(pixels.dtype).max))


def quantised(image: np.ndarray, kind: Any) -> np.ndarray:
    """Floats in [0, 1] as whole numbers of the full range of ``kind``; floats in another precision.

    Raises:
        DataError: some of them are no numbers, which would come out as black, sooner or later.
    """
    kind = np.dtype(kind)
    if image.size:
        _check_numbers(float(image.min()))
    if kind.kind == 'f':
        return image.astype(kind)
    full = np.iinfo(kind).max
    return np.rint(np.clip(image, 0, 1) * np.float32(full)).astype(kind)


def _check_numbers(least: float) -> None:
    """The least of a picture's values, which is no number where any of them is none."""
    if math.isnan(least):
        raise DataError(
            'the network gives values that are no numbers for this picture; in half precision (--half) they '
            'may be too large for it'
        )


def _from_array(picture: np.ndarray) -> tuple[Tensor, Back]:
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 3, 4)):
        raise DataError(
            f'an array of shape {picture.shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)'
        )
    if not is_whole(picture) and picture.dtype.kind != 'f':
        raise DataError(f'an array of {picture.dtype}; expected uint8, uint16 or float')
    if picture.size == 0:
        raise DataError(f'an array of shape {picture.shape} has no pixels')
    pixels = picture[..., None] if picture.ndim == 2 else picture
    colours, alpha = (pixels[..., :3], pixels[..., 3:]) if pixels.shape[2] == 4 else (pixels, None)
    x = scaled(colours)[None]
    if picture.dtype.kind == 'f':
        x = _checked(x)

    def back(y: Tensor) -> np.ndarray:
        y = grey_of(y) if colours.shape[2] == 1 else y
        result = quantised(np.moveaxis(y[0].float().cpu().numpy(), 0, 2), picture.dtype)
        if alpha is not None:
            result = np.concatenate([result, alpha], axis=2)
        return np.ascontiguousarray(result[..., 0] if picture.ndim == 2 else result)

    return x.expand(1, 3, -1, -1), back


def _from_tensor(picture: Tensor) -> tuple[Tensor, Back]:
    if picture.ndim not in (3, 4) or picture.shape[-3] not in (1, 3):
        raise DataError(
            f'a tensor of shape {tuple(picture.shape)}; expected (C, H, W) or (N, C, H, W), C = 1 or 3'
        )
    full = {torch.uint8: 255, torch.uint16: 65535}.get(picture.dtype)
    if full is None and not picture.is_floating_point():
        raise DataError(f'a tensor of {picture.dtype}; expected uint8, uint16 or float')
    if picture.numel() == 0:
        raise DataError(f'a tensor of shape {tuple(picture.shape)} has no pixels')
    x = picture.detach() if picture.ndim == 4 else picture.detach()[None]
    x = x.float() / full if full else _checked(x.float())

    def back(y: Tensor) -> Tensor:
        y = grey_of(y) if picture.shape[-3] == 1 else y
        _check_numbers(float(y.min()))
        if full:
            y = (y.clamp(0, 1) * full).round()
        # Tensors of inference mode could take no part in a training.
        y = y.clone() if y.is_inference() else y
        return y.to(picture.device, picture.dtype).reshape(picture.shape)

    return x.expand(-1, 3, -1, -1), back


def _from_pil(picture: Any) -> tuple[Tensor, Back]:
    from PIL import Image

    if picture.mode in ('I', 'F'):
        raise DataError(f'a PIL image of mode {picture.mode}, whose range is not known; give an array')
    if picture.mode.startswith('I;16'):
        x, back_array = _from_array(np.asarray(picture).astype(np.uint16))
        return x, lambda y: _described(Image.fromarray(back_array(y)), picture)
    grey = picture.mode in ('1', 'L', 'LA', 'La')
    transparent = picture.has_transparency_data
    working = ('L' if grey else 'RGB') + ('A' if transparent else '')
    pixels = np.asarray(picture.convert(working))
    if working == 'LA':
        pixels, alpha = pixels[..., 0], pixels[..., 1]
    x, back_array = _from_array(pixels)

    def back(y: Tensor) -> Any:
        result = Image.fromarray(back_array(y))
        if working == 'LA':
            result.putalpha(Image.fromarray(alpha))
        # Palettes and bilevel images have no room for what a network makes of them.
        result = result.convert(picture.mode) if picture.mode in ('CMYK', 'YCbCr', 'HSV') else result
        return _described(result, picture)

    return x, back


def _described(result: Any, picture: Any) -> Any:
    # Of the RGB that it becomes, its profile says nothing.
    kept = ('exif', 'dpi') if picture.mode == 'LAB' else ('exif', 'dpi', 'icc_profile')
    result.info.update({key: picture.info[key] for key in kept if key in picture.info})
    return result


def grey_of(y: Tensor) -> Tensor:
    """``(N, 3, H, W)`` as luma ``(N, 1, H, W)``."""
    weights = torch.tensor(LUMA, dtype=y.dtype, device=y.device).view(3, 1, 1)
    return (y * weights).sum(-3, keepdim=True)


def _checked(x: Tensor) -> Tensor:
    low, high = float(x.min()), float(x.max())
    # NaN makes both NaN. A thousandth may come from resizing or a colour conversion.
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise DataError(f'floats from {low:g} to {high:g}; images in floats have values in [0, 1]')
    return x.clamp(0, 1)
