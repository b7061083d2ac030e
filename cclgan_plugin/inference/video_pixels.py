"""Frames of a video as RGB pictures and back, as bright and of the same colours as they were."""

from __future__ import annotations

from typing import Any

import numpy as np

#: FFmpeg's AVCOL_RANGE_JPEG: black is 0 and white 255, not 16 and 235.
_FULL = 2


def picture_of(frame: Any) -> np.ndarray:
    """What a decoded frame shows.

    Args:
        frame: of PyAV, in any format.

    Returns:
        ``(H, W, 3)``, RGB: uint16 where the frame has more than 8 bits for a colour, else uint8.
    """
    if is_deep(frame):
        return _in(frame, format='rgb48le').to_ndarray()
    if frame.format.chroma_width(16) < 16 or frame.format.chroma_height(16) < 16:
        # swscale has a shortcut from here to RGB that comes out a level too dark; from 4:4:4 it has none.
        frame = _in(frame, format='yuvj444p' if frame.color_range == _FULL else 'yuv444p')
    return _in(frame, format='rgb24').to_ndarray()


def frame_of(av: Any, picture: np.ndarray, like: Any, pixel_format: str) -> Any:
    """The opposite: a frame to encode, with the colour space, the range and the time of another one.

    Args:
        av: the module.
        picture: ``(H, W, 3)``, RGB, uint8 or uint16 as :func:`picture_of` gives it.
        like: the frame that the picture was made from.
        pixel_format: of the result.
    """
    frame = av.VideoFrame.from_ndarray(picture, format='rgb48le' if is_deep(like) else 'rgb24')
    named = {'dst_colorspace': like.colorspace or None, 'dst_color_range': like.color_range or None}
    plain = pixel_format.replace('yuvj', 'yuv')
    if like.color_range == _FULL and plain in ('yuv420p', 'yuv422p', 'yuv444p'):
        # swscale cuts colours of the full range off to whole levels, half a level towards green. Of 12 bits
        # that is nothing, and from there it rounds.
        frame = _in(frame, format=f'{plain}12le', **named)
    frame = _in(frame, format=pixel_format, **named)
    frame.pts, frame.time_base = like.pts, like.time_base
    return frame


def _in(frame: Any, **named: Any) -> Any:
    """The frame in another format, made by one thread.

    More of them would live as long as the frame. In a process that is forked meanwhile, such as a loader's
    worker, they are not there, and whoever frees the frame would wait for them for ever.
    """
    try:
        return frame.reformat(threads=1, **named)
    except TypeError:  # older PyAV has no such choice
        return frame.reformat(**named)


def is_deep(frame: Any) -> bool:
    """Whether it has more than 8 bits for a colour: they stay more than 8 bits."""
    return any(component.bits > 8 for component in frame.format.components)
