"""Frames keep their order and their distances where a container has no times for them."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from cclgan_plugin.inference.video import derain_video
from cclgan_plugin.inference.video_times import FrameTimes

av = pytest.importorskip('av')


def record(path, codec, options, count=20):
    """A square that walks to the right: frames tell which one they are."""
    with av.open(str(path), 'w') as out:
        video = out.add_stream(codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt = 128, 48, 'yuv420p'
        for i in range(count):
            picture = np.full((48, 128, 3), 20, np.uint8)
            picture[:, 6 * i : 6 * i + 8] = 220
            frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
            frame.pts, frame.time_base = i, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return str(path)


@pytest.mark.parametrize('container', ['mkv', 'mp4', 'avi'])
@pytest.mark.parametrize(
    ('codec', 'options'),
    [('libx264', {'x264-params': 'bframes=3:b-adapt=0:scenecut=0'}), ('mpeg4', {'bf': '2'})],
)
def test_an_avi_with_frames_that_were_stored_ahead(tmp_path, container, codec, options):
    source, out = record(tmp_path / 'a.avi', codec, options), tmp_path / f'b.{container}'
    assert derain_video(lambda p: p, source, str(out)) == 20
    with av.open(str(out)) as reading:
        # Of an AVI that is read again, times are guesses.
        frames = list(reading.decode(video=0))
    places = [int(frame.to_ndarray(format='gray')[24].argmax()) for frame in frames]
    assert np.all(np.abs(np.array(places) - 6 * np.arange(20)) < 7)
    if container != 'avi':
        np.testing.assert_allclose(np.diff([frame.time for frame in frames]), 0.04, atol=2e-3)


#: In seconds: 24 frames a second in fields of 60 (3:2 pulldown), a pause, times between ticks, a camera's.
UNEVEN = {
    'pulldown': [(5 * i // 2 + i % 2) / 60 for i in range(12)],
    'pause': [0.04 * i + (3 if i > 5 else 0) for i in range(12)],
    'between': [0.02 + 0.04 * i for i in range(12)],
    'camera': [0.037 * i + 0.009 * (i % 3) for i in range(12)],
}


@pytest.mark.parametrize('container', ['mkv', 'ts', 'mp4'])
@pytest.mark.parametrize('codec', ['mpeg2video', 'mpeg1video'])
@pytest.mark.parametrize('kind', UNEVEN)
def test_uneven_times_stay_where_the_codec_knows_even_ones_only(tmp_path, kind, codec, container):
    source, out = tmp_path / f'a.{container}', tmp_path / f'b.{container}'
    with av.open(str(source), 'w') as writing:
        rate = 30 if kind == 'pulldown' else 25
        video = writing.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = 128, 48, 'yuv420p'
        sound = writing.add_stream('mp2', rate=48000)
        packets = []
        for i in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 128, 3), 20 * i, np.uint8), format='rgb24')
            frame.pts, frame.time_base = i, Fraction(1, rate)
            packets += video.encode(frame)
        for time, packet in zip(UNEVEN[kind], [*packets, *video.encode(None)], strict=True):
            packet.time_base, packet.duration = Fraction(1, 90_000), 0
            packet.pts = packet.dts = round(time * 90_000)
            writing.mux(packet)
        wave = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), format='s16', layout='stereo')
        wave.sample_rate = 48000
        writing.mux([*sound.encode(wave), *sound.encode(None)])
    assert derain_video(lambda p: p, str(source), str(out)) == 12

    def shown(file):
        with av.open(str(file)) as reading:
            return [frame.time for frame in reading.decode(video=0)]

    def heard(file):
        with av.open(str(file)) as reading:
            return [float(p.pts * p.time_base) for p in reading.demux(audio=0) if p.pts is not None]

    np.testing.assert_allclose(
        shown(source), np.add(UNEVEN[kind], shown(source)[0] - UNEVEN[kind][0]), atol=2e-3
    )
    np.testing.assert_allclose(shown(out), shown(source), atol=1e-3)
    np.testing.assert_allclose(heard(out), heard(source), atol=1e-3)


def times(container, *frames):
    found = FrameTimes(container)
    return [found.of(SimpleNamespace(pts=pts, dts=dts)) for pts, dts in frames]


def test_times_that_rise_are_left_alone():
    assert times('mov', (0, 0), (33, 5), (70, None), (100, 12)) == [0, 33, 70, 100]


def test_of_an_avi_the_order_of_its_packets_counts():
    """As FFmpeg gives them for H.264 with frames that were stored ahead."""
    assert times('avi', (1, 2), (4, 3), (3, 4), (2, 6), (7, None), (8, None)) == [2, 3, 4, 6, 8, 10]


@pytest.mark.parametrize('wrong', [None, 40, 30])
def test_from_a_time_that_does_not_rise_on_those_of_packets_count(wrong):
    assert times('asf', (0, 0), (40, 20), (wrong, 80), (90, 120), (200, None)) == [0, 40, 80, 120, 160]
