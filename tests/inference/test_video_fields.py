"""Interlaced videos are deinterlaced, and say so."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.inference import video_fields
from cclgan_plugin.inference.video import derain_video

av = pytest.importorskip('av')

#: Uneven, so that a time that was made up shows.
TIMES = [0, 40, 90, 120, 170, 200]
#: Y, U and V of the ground, and of the bar that goes to the right by 20 pixels from frame to frame.
GROUND, BAR = (90, 110, 150), (180, 145, 100)


def shown(time, shape, late=0):
    """Where the bar is in one field: the late one was taken half a frame after the other."""
    height, width = shape
    begin = (20 * TIMES.index(time) + 10 * late) * width // 128
    row = np.zeros(width, bool)
    row[begin : begin + width // 16] = True
    return np.broadcast_to(row, (height // 2, width))


def record(path, interlaced=True, full=False):
    with av.open(str(path), 'w') as out:
        video = out.add_stream('libx264', rate=25)
        video.width, video.height, video.pix_fmt = 128, 48, 'yuv420p'
        video.options = {'x264-params': 'qp=1' + ':tff=1' * interlaced}
        video.codec_context.time_base = Fraction(1, 1000)
        video.codec_context.color_range = 2 if full else 1
        for time in TIMES:
            frame = av.VideoFrame(128, 48, 'yuv420p')
            for plane, ground, bar in zip(frame.planes, GROUND, BAR, strict=True):
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                # PyAV's frames do not say which field is the first: it is the lower one, then.
                for late in (0, 1):
                    where = shown(time, (plane.height, plane.width), late)
                    rows[1 - late :: 2, : plane.width] = np.where(where, bar, ground)
                plane.update(rows.tobytes())
            frame.pts, frame.time_base, frame.color_range = time, Fraction(1, 1000), 2 if full else 1
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return str(path)


def decoded(path):
    with av.open(str(path)) as reading:
        return list(reading.decode(video=0))


def planes(frame):
    """Without the rows at the edges, which have neighbours on one side only."""
    found = (
        (np.frombuffer(bytes(p), np.uint8).reshape(p.height, p.line_size), p.width) for p in frame.planes
    )
    return [plane[4:-4, :width].astype(int) for plane, width in found]


@pytest.mark.parametrize('full', [False, True])
def test_fields_are_not_mixed(tmp_path, full):
    source, told = record(tmp_path / 'a.mkv', full=full), []
    assert all(frame.interlaced_frame for frame in decoded(source))
    assert derain_video(lambda p: p, source, str(tmp_path / 'b.mkv'), notice=told.append) == len(TIMES)
    assert told == [f'{source}: its frames are interlaced; the result is deinterlaced']
    after = decoded(tmp_path / 'b.mkv')
    np.testing.assert_allclose([frame.time for frame in after], np.array(TIMES) / 1000, atol=1e-3)
    for time, frame in zip(TIMES, after, strict=True):
        assert not frame.interlaced_frame
        assert frame.color_range == 1 + full
        for plane, ground, bar in zip(planes(frame), GROUND, BAR, strict=True):
            first = shown(time, plane.shape)
            expected = np.repeat(np.where(first, bar, ground), 2, 0)
            # Along the bar's edges, chroma is that of its neighbours, too.
            assert np.abs(plane - expected).mean() < 1.5


def test_progressive_frames_pass_unchanged(tmp_path):
    told = []
    progressive = decoded(record(tmp_path / 'a.mkv', interlaced=False))
    assert not any(frame.interlaced_frame for frame in progressive)
    fields = video_fields.Deinterlacer(av, 'a.mkv', told.append)
    assert all(list(fields.frames(frame)) == [frame] for frame in progressive)
    assert list(fields.frames(None)) == []
    assert told == []


def test_progressive_frames_between_interlaced_ones_pass_unchanged(tmp_path):
    both = zip(decoded(record(tmp_path / 'a.mkv')), decoded(record(tmp_path / 'b.mkv', False)), strict=True)
    mixed = [pair[i % 3 > 0] for i, pair in enumerate(both)]
    fields = video_fields.Deinterlacer(av, 'a.mkv', lambda line: None)
    found = [ready for frame in [*mixed, None] for ready in fields.frames(frame)]
    assert [(f.pts, f.time_base) for f in found] == [(f.pts, f.time_base) for f in mixed]
    for frame, ready in zip(mixed, found, strict=True):
        same = all(map(np.array_equal, planes(frame), planes(ready)))
        assert same == (not frame.interlaced_frame)


def test_without_the_filter_an_interlaced_video_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(video_fields, '_FILTERS', ('a filter that no build has',))
    source = record(tmp_path / 'a.mkv')
    with pytest.raises(ImageError, match=r'a\.mkv: its frames are interlaced, .* deinterlace it first'):
        derain_video(lambda p: p, source, str(tmp_path / 'b.mkv'))
    assert [p.name for p in tmp_path.iterdir()] == ['a.mkv']
    assert derain_video(lambda p: p, record(tmp_path / 'c.mkv', False), str(tmp_path / 'd.mkv')) == len(TIMES)


def test_the_command_says_so(tmp_path, weights_file, capsys):
    from cclgan_plugin.cli.main import main

    source, out = record(tmp_path / 'a.mkv'), str(tmp_path / 'b.mkv')
    assert main(['derain', source, '-o', out, '--model', str(weights_file), '--device', 'cpu']) == 0
    assert (
        capsys.readouterr().err.count('a.mkv: its frames are interlaced; the result is deinterlaced\n') == 1
    )
