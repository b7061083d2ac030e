"""Whether all of a video is there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.inference.video import derain_video

av = pytest.importorskip('av')

#: A camera that was too slow towards the end: of 86 frames it dropped 36.
TIMES = [*range(40), *range(40, 86, 5)]


def record(path, codec, pixels):
    with av.open(str(path), 'w') as out:
        video = out.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, pixels
        for time in TIMES:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 2 * time, np.uint8), format='rgb24')
            frame.pts, frame.time_base = time, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return str(path)


@pytest.mark.parametrize(('codec', 'pixels'), [('mjpeg', 'yuvj420p'), ('mpeg4', 'yuv420p')])
def test_dropped_frames_are_not_taken_for_a_file_that_was_cut_off(tmp_path, codec, pixels):
    source = record(tmp_path / 'a.avi', codec, pixels)
    with av.open(source) as reading:
        assert reading.streams.video[0].frames == TIMES[-1] + 1  # the header counts those that were dropped
    assert derain_video(lambda p: p, source, str(tmp_path / 'b.mkv')) == len(TIMES)
    with av.open(str(tmp_path / 'b.mkv')) as reading:
        times = [frame.time for frame in reading.decode(video=0)]
    np.testing.assert_allclose(np.diff(times), np.diff(TIMES) / 25, atol=2e-3)


def test_of_a_file_that_was_cut_off_the_last_frame_is_not_there(tmp_path):
    content = Path(record(tmp_path / 'a.avi', 'mjpeg', 'yuvj420p')).read_bytes()
    (tmp_path / 'cut.avi').write_bytes(content[: len(content) * 9 // 10])
    with pytest.raises(ImageError, match=r'cut\.avi: the file is cut off: \d+ of 86 frames'):
        derain_video(lambda p: p, str(tmp_path / 'cut.avi'), str(tmp_path / 'b.mkv'))
