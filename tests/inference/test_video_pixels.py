"""A video that nothing is done to stays as bright as it was, and of the same colours."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest
import skimage.data

from cclgan_plugin.inference.video import derain_video
from cclgan_plugin.inference.video_pixels import frame_of, picture_of

av = pytest.importorskip('av')

PHOTO = skimage.data.astronaut()[64:192, 128:256].astype(float)
#: Luma's weights of red and blue, by FFmpeg's number of the colour space.
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}
#: How many pixels share a colour: down, across.
SHARED = {'420': (2, 2), '422': (1, 2), '444': (1, 1)}


def planes_of(rgb, space, full, shared):
    """The formula of ITU-R BT.601 and BT.709, rounded; chroma is the mean of the pixels that share it."""
    red, blue = WEIGHTS[space]
    r, g, b = np.moveaxis(rgb, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    y, u, v = (y, u, v) if full else (16 + y * 219 / 255, u * 224 / 255, v * 224 / 255)
    (down, across), (height, width) = shared, y.shape
    u, v = (c.reshape(height // down, down, width // across, across).mean((1, 3)) for c in (u, v))
    return [np.clip(np.round(c), 0, 255).astype(np.uint8) for c in (y, u + 128, v + 128)]


def rgb_of(planes, space, full):
    red, blue = WEIGHTS[space]
    height, width = planes[0].shape
    y, u, v = (np.kron(c, np.ones((height // c.shape[0], width // c.shape[1]))) for c in planes)
    u, v = u - 128, v - 128
    if not full:
        y, u, v = (y - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    return np.clip(np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], -1), 0, 255)


def stored(frame):
    return [
        np.frombuffer(bytes(p), np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes
    ]


def record(path, pixels, space, full):
    planes = planes_of(PHOTO, space, full, SHARED[pixels[-4:-1]])
    frame = av.VideoFrame(PHOTO.shape[1], PHOTO.shape[0], pixels)
    for plane, values in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = values
        plane.update(padded.tobytes())
    frame.colorspace, frame.color_range = space, 2 if full else 1
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    with av.open(str(path), 'w') as out:
        video = out.add_stream('ffv1', rate=25)
        video.width, video.height, video.pix_fmt = frame.width, frame.height, pixels
        video.codec_context.colorspace, video.codec_context.color_range = space, frame.color_range
        out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return str(path)


@pytest.mark.parametrize(
    ('pixels', 'space', 'full'),
    [
        *(('yuv420p', 1, False), ('yuv420p', 6, False), ('yuv422p', 1, False), ('yuv444p', 1, False)),
        *(('yuv420p', 1, True), ('yuv420p', 6, True), ('yuv422p', 6, True), ('yuv444p', 6, True)),
    ],
)
def test_brightness_and_colours_stay(tmp_path, pixels, space, full):
    source, seen = record(tmp_path / 'a.mkv', pixels, space, full), []
    assert derain_video(lambda p: seen.append(p) or p, source, str(tmp_path / 'b.mkv')) == 1
    frames = []
    for name in 'ab':
        with av.open(str(tmp_path / f'{name}.mkv')) as reading:
            frames += list(reading.decode(video=0))
    before, after = frames
    assert (after.colorspace, after.color_range) == (before.colorspace, before.color_range)
    # What the network sees is what the standard says.
    truth = rgb_of(stored(before), space, full)
    assert abs((seen[0] - truth).mean()) < 0.2
    luma, *chroma = (is_.mean() - was.mean() for was, is_ in zip(stored(before), stored(after), strict=True))
    assert abs(luma) < 0.1
    assert np.abs(chroma).max() < 0.15


@pytest.mark.skipif(not os.path.isdir('/proc/self/task'), reason='threads are not listed here')
@pytest.mark.parametrize('full', [False, True])
def test_a_frame_that_is_kept_keeps_no_threads(full):
    """A loader's worker, forked meanwhile, would wait for them for ever as it frees the frame."""
    before = set(os.listdir('/proc/self/task'))
    frame = av.VideoFrame(640, 480, 'yuv420p')
    frame.color_range, frame.pts, frame.time_base = 2 if full else 1, 0, Fraction(1, 25)
    kept = [frame, picture_of(frame)]
    kept.append(frame_of(av, kept[1], frame, 'yuv420p'))
    assert set(os.listdir('/proc/self/task')) <= before
