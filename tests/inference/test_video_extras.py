"""Chapters and fonts stay where the container holds them; what is lost is said in one line."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from cclgan_plugin.inference.video import derain_video

av = pytest.importorskip('av')

if not hasattr(av.container.OutputContainer, 'set_chapters'):
    pytest.skip('this PyAV knows no chapters', allow_module_level=True)

CHAPTERS = [('Drizzle', 0, 400), ('Storm', 400, 1000)]
FONT = b'no font, but some bytes' * 9


def record(path, codec='libx264', pixels='yuv420p', font=False, chapters=True, **settings):
    with av.open(str(path), 'w') as out:
        video = out.add_stream(codec, rate=10, **settings)
        video.width, video.height, video.pix_fmt = 64, 48, pixels
        if chapters:
            unit = Fraction(1, 1000)
            out.set_chapters(
                [
                    {'id': i, 'start': begin, 'end': end, 'time_base': unit, 'metadata': {'title': title}}
                    for i, (title, begin, end) in enumerate(CHAPTERS, 1)
                ]
            )
        if font:
            out.add_attachment('a.ttf', 'application/x-truetype-font', FONT)
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * i, np.uint8), format='rgb24')
            frame.pts, frame.time_base = i, Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return str(path)


def chapters(path):
    with av.open(str(path)) as reading:
        found = [(c, 1000 * c['time_base']) for c in reading.chapters()]
    return [(c['metadata']['title'], round(c['start'] * ms), round(c['end'] * ms)) for c, ms in found]


def derained(source, out):
    told = []
    assert derain_video(lambda p: p, source, str(out), notice=told.append) == 10
    return told


@pytest.mark.parametrize('source', ['mkv', 'mp4'])
@pytest.mark.parametrize('container', ['mkv', 'webm', 'mp4', 'mov', 'm4v', '3gp'])
def test_chapters_stay(tmp_path, source, container):
    assert derained(record(tmp_path / f'a.{source}'), tmp_path / f'b.{container}') == []
    assert chapters(tmp_path / f'b.{container}') == CHAPTERS


def test_a_font_stays_in_matroska(tmp_path):
    assert derained(record(tmp_path / 'a.mkv', font=True), tmp_path / 'b.mkv') == []
    with av.open(str(tmp_path / 'b.mkv')) as reading:
        (font,) = (stream for stream in reading.streams if stream.type == 'attachment')
        assert (font.name, font.mimetype, bytes(font.data)) == ('a.ttf', 'application/x-truetype-font', FONT)


@pytest.mark.parametrize(('container', 'lost'), [('mp4', 'attachments'), ('avi', 'chapters, attachments')])
def test_what_the_container_does_not_hold_is_said(tmp_path, container, lost):
    source = record(tmp_path / 'a.mkv', font=True)
    assert derained(source, tmp_path / f'b.{container}') == [f'{source}: not in the result: {lost}']


def test_of_hdr_what_encoders_are_not_told_is_said(tmp_path):
    light = (
        'log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)'
    )
    options = {'x265-params': f'{light}:max-cll=1000,400'}
    source = record(tmp_path / 'a.mp4', 'libx265', 'yuv420p10le', chapters=False, options=options)
    assert derained(source, tmp_path / 'b.mp4') == [
        f'{source}: not in the result: HDR mastering metadata, HDR light levels'
    ]
