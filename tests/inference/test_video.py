"""Videos keep size, timing and sound."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.errors import DataError
from cclgan_plugin.inference import Derainer
from cclgan_plugin.inference.pixels import LUMA
from cclgan_plugin.inference.video import derain_frames, derain_video

av = pytest.importorskip('av')

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[100:148, 200:264])
#: Uneven, as telephones record it.
TIMES = [0, 33, 70, 100, 140, 200]


def record(path, sound=True):
    with av.open(str(path), 'w') as out:
        video = out.add_stream('libx264', rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
        video.codec_context.time_base = Fraction(1, 1000)
        video.options = {'crf': '10'}
        audio = out.add_stream('aac', rate=48000) if sound else None
        for i, time in enumerate(TIMES):
            frame = av.VideoFrame.from_ndarray(np.roll(PHOTO, 4 * i, 1), format='rgb24')
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio:
            wave = np.sin(np.arange(10240) / 10).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2, 0), format='fltp', layout='stereo')
            frame.sample_rate, frame.pts = 48000, 0
            out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
    return path


def pictures(path):
    with av.open(str(path)) as reading:
        return [(frame.time, frame.to_ndarray(format='rgb24')) for frame in reading.decode(video=0)]


def sound_packets(path):
    with av.open(str(path)) as reading:
        return [(float(p.pts * p.time_base), bytes(p)) for p in reading.demux(audio=0) if p.pts is not None]


@pytest.fixture
def derainer(weights_file):
    return Derainer.from_pretrained(weights_file, device='cpu')


@pytest.mark.parametrize('container', ['mp4', 'mkv'])
def test_frames_are_derained_and_keep_their_times_and_the_sound(derainer, tmp_path, container):
    source, out = record(tmp_path / f'a.{container}'), tmp_path / f'new/b.{container}'
    told = []
    assert derain_video(derainer, str(source), str(out), lambda *a: told.append(a)) == len(TIMES)
    assert [count for count, _ in told] == list(range(1, len(TIMES) + 1))
    before, after = pictures(source), pictures(out)
    np.testing.assert_allclose([t for t, _ in after], [t for t, _ in before], atol=1e-3)
    for (_, rainy), (_, dry) in zip(before, after, strict=True):
        # Brightness alone: of colours, the codec keeps every fourth pixel.
        expected, input_, result = (image @ LUMA for image in (derainer(rainy), rainy, dry))
        assert np.abs(expected - input_).mean() > 10  # the network does something
        assert np.abs(expected - result).mean() < 5
    original, copied = sound_packets(source), sound_packets(out)
    assert [data for _, data in copied] == [data for _, data in original]
    np.testing.assert_allclose([t for t, _ in copied], [t for t, _ in original], atol=2e-3)
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_a_link_stays_one_and_its_own_extension_counts(derainer, tmp_path):
    source = record(tmp_path / 'a.mkv', sound=False)
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'b.mkv').symlink_to('disk/something')
    derain_video(derainer, str(source), str(tmp_path / 'b.mkv'))
    assert (tmp_path / 'b.mkv').is_symlink()
    assert [file.name for file in (tmp_path / 'disk').iterdir()] == ['something']
    assert len(pictures(tmp_path / 'disk/something')) == len(TIMES)


def test_a_video_without_sound(derainer, tmp_path):
    assert derain_video(derainer, str(record(tmp_path / 'a.mp4', sound=False)), str(tmp_path / 'b.mp4')) == 6


@pytest.mark.parametrize('content', [b'', b'no video at all' * 50])
def test_no_video(derainer, tmp_path, content):
    (tmp_path / 'a.mp4').write_bytes(content)
    with pytest.raises(ImageError, match=r'a\.mp4: not a readable video'):
        derain_video(derainer, str(tmp_path / 'a.mp4'), str(tmp_path / 'b.mp4'))
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ['a.mp4']


@pytest.mark.parametrize('out', ['b.unknown', 'a.mp4/b.mp4'])
def test_a_place_where_no_video_can_be_written(derainer, tmp_path, out):
    source = record(tmp_path / 'a.mp4')
    with pytest.raises(DataError, match=out):
        derain_video(derainer, str(source), str(tmp_path / out))


def test_the_command_takes_a_folder_of_both(derainer, tmp_path, weights_file, capsys):
    from PIL import Image

    from cclgan_plugin.cli.main import main

    folder = tmp_path / 'in'
    folder.mkdir()
    record(folder / 'a.mp4')
    Image.fromarray(PHOTO).save(folder / 'b.png')
    (folder / 'bad.mkv').write_bytes(b'no video')
    arguments = [
        'derain',
        str(folder),
        '-o',
        str(tmp_path / 'out'),
        '--model',
        str(weights_file),
        '--device',
        'cpu',
    ]
    assert main(arguments) == 1
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == ['a.mp4', 'b.png']
    assert 'bad.mkv: not a readable video' in capsys.readouterr().err


def test_a_video_that_was_recorded_lying_becomes_upright(derainer, tmp_path):
    import struct

    content = bytearray(record(tmp_path / 'a.mp4').read_bytes())
    # The matrix of the first track (ISO 14496-12): shown turned by 90 degrees, clockwise.
    as_it_is = struct.pack('>9I', 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    matrix = content.index(as_it_is, content.index(b'tkhd'))
    content[matrix : matrix + 36] = struct.pack('>9i', 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    (tmp_path / 'a.mp4').write_bytes(content)
    assert derain_video(derainer, str(tmp_path / 'a.mp4'), str(tmp_path / 'b.mp4')) == len(TIMES)
    before, after = pictures(tmp_path / 'a.mp4'), pictures(tmp_path / 'b.mp4')
    np.testing.assert_allclose([t for t, _ in after], [t for t, _ in before], atol=1e-3)
    for (_, lying), (_, upright) in zip(before, after, strict=True):
        assert upright.shape == (64, 48, 3)
        assert np.abs(derainer(np.rot90(lying, -1).copy()) @ LUMA - upright @ LUMA).mean() < 5
    with av.open(str(tmp_path / 'b.mp4')) as reading:
        assert next(reading.decode(video=0)).rotation == 0


@pytest.mark.parametrize(
    ('codec', 'sound', 'container'),
    [
        ('mpeg2video', 'mp2', 'ts'),
        ('mpeg1video', 'mp2', 'mpg'),
        ('mpeg4', 'mp2', 'ts'),
        ('mpeg4', 'mp3', 'avi'),
    ],
)
def test_codecs_whose_clocks_are_coarse(derainer, tmp_path, codec, sound, container):
    source = tmp_path / f'a.{container}'
    with av.open(str(source), 'w') as out:
        video = out.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
        audio = out.add_stream(sound, rate=48000)
        for i in range(8):
            frame = av.VideoFrame.from_ndarray(np.roll(PHOTO, 4 * i, 1), format='rgb24')
            frame.pts, frame.time_base = i, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        wave = np.zeros((1, 2 * 1152), np.int16)
        frame = av.AudioFrame.from_ndarray(wave, format='s16', layout='stereo')
        frame.sample_rate = 48000
        out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    assert derain_video(derainer, str(source), str(tmp_path / f'b.{container}')) == 8
    times = [[t for t, _ in pictures(tmp_path / f'{name}.{container}')] for name in 'ab']
    np.testing.assert_allclose(np.diff(times[1]), np.diff(times[0]), atol=1e-3)
    assert sound_packets(source)
    assert [d for _, d in sound_packets(tmp_path / f'b.{container}')] == [d for _, d in sound_packets(source)]


@pytest.mark.parametrize(
    ('container', 'announced'), [('mp4', '40 frames'), ('mkv', r'8\.0 s'), ('flv', r'8\.4 s')]
)
def test_a_video_that_was_cut_off_is_not_taken_for_a_shorter_one(derainer, tmp_path, container, announced):
    long = tmp_path / f'long.{container}'
    with av.open(str(long), 'w', options={'movflags': 'faststart'} if container == 'mp4' else {}) as out:
        video = out.add_stream('libx264', rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
        for i in range(40):
            frame = av.VideoFrame.from_ndarray(np.roll(PHOTO, 4 * i, 1), format='rgb24')
            frame.pts, frame.time_base = i, Fraction(1, 5)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    assert derain_video(derainer, str(long), str(tmp_path / f'whole.{container}')) == 40
    content = long.read_bytes()
    (tmp_path / f'cut.{container}').write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ImageError, match=rf'the file is cut off: .* of {announced}'):
        derain_video(derainer, str(tmp_path / f'cut.{container}'), str(tmp_path / f'b.{container}'))
    assert not (tmp_path / f'b.{container}').exists()


def test_titles_and_languages_stay(derainer, tmp_path):
    with av.open(str(record(tmp_path / 'a.mp4'))) as reading, av.open(str(tmp_path / 'b.mkv'), 'w') as out:
        out.metadata['title'] = 'A walk'
        streams = {s.index: out.add_stream_from_template(s) for s in reading.streams}
        streams[1].metadata['language'] = 'deu'
        for packet in reading.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    derain_video(derainer, str(tmp_path / 'b.mkv'), str(tmp_path / 'c.mkv'))
    with av.open(str(tmp_path / 'c.mkv')) as reading:
        assert reading.metadata['title'] == 'A walk'
        assert reading.streams.audio[0].metadata['language'] == 'deu'


def test_encoders_keep_their_words_to_themselves(derainer, tmp_path, capfd):
    with av.open(str(tmp_path / 'a.mp4'), 'w') as out:
        video = out.add_stream('libx265', rate=25, options={'x265-params': 'log-level=none'})
        video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
        for i in range(3):
            frame = av.VideoFrame.from_ndarray(np.roll(PHOTO, 4 * i, 1), format='rgb24')
            frame.pts, frame.time_base = i, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    capfd.readouterr()
    assert derain_video(derainer, str(tmp_path / 'a.mp4'), str(tmp_path / 'b.mp4')) == 3
    assert capfd.readouterr().err == ''


def encoded(path, codec='libx264', size=(64, 48), pixels='yuv420p', sound=None, count=6, **settings):
    """A short video at 5 frames a second."""
    with av.open(str(path), 'w', **settings) as out:
        video = out.add_stream(codec, rate=5)
        (video.width, video.height), video.pix_fmt = size, pixels
        audio = out.add_stream(sound, rate=48000) if sound else None
        for i in range(count):
            picture = np.resize(np.roll(PHOTO, 4 * i, 1), (size[1], size[0], 3))
            frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
            frame.pts, frame.time_base = i, Fraction(1, 5)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio:
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 2 * 1152), np.int16), format='s16', layout='stereo'
            )
            frame.sample_rate, frame.pts = 48000, 0
            out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
    return str(path)


def codecs(path):
    with av.open(str(path)) as reading:
        return [s.codec_context.codec.canonical_name for s in reading.streams]


def unchanged(picture):
    return picture


@pytest.mark.parametrize('container', ['webm', 'mkv', 'mp4'])
def test_av1_stays_av1(tmp_path, container):
    if 'libsvtav1' not in av.codecs_available:
        pytest.skip('no encoder for AV1')
    source = encoded(tmp_path / f'a.{container}', 'libsvtav1', (128, 64))
    assert derain_video(unchanged, source, str(tmp_path / f'b.{container}')) == 6
    assert codecs(tmp_path / f'b.{container}') == ['av1']


@pytest.mark.parametrize('container', ['mp4', 'mov'])
def test_hevc_is_tagged_as_apples_players_want_it(tmp_path, container):
    """FFmpeg's own choice for them is hev1."""
    source = encoded(tmp_path / 'a.mkv', 'libx265')
    assert derain_video(unchanged, source, str(tmp_path / f'b.{container}')) == 6
    with av.open(str(tmp_path / f'b.{container}')) as reading:
        (video,) = reading.streams.video
        assert (video.codec_context.name, video.codec_context.codec_tag) == ('hevc', 'hvc1')
        assert len(list(reading.decode(video))) == 6


@pytest.mark.parametrize(('container', 'codec'), [('webm', 'vp9'), ('ts', 'h264')])
def test_a_codec_that_the_container_does_not_hold_becomes_a_usual_one(tmp_path, container, codec):
    source = encoded(tmp_path / 'a.mkv', 'libx264' if container == 'webm' else 'libvpx-vp9')
    assert derain_video(unchanged, source, str(tmp_path / f'b.{container}')) == 6
    assert codecs(tmp_path / f'b.{container}') == [codec]


@pytest.mark.parametrize(
    ('container', 'codec'),
    [
        *(('3gp', 'libx264'), ('3g2', 'mpeg4'), ('m2ts', 'libx264'), ('m2t', 'libx264')),
        *(('vob', 'mpeg2video'), ('wmv', 'wmv2'), ('asf', 'msmpeg4'), ('flv', 'libx264'), ('f4v', 'libx264')),
    ],
)
def test_what_old_phones_cameras_and_disks_hold(tmp_path, container, codec):
    source = encoded(tmp_path / f'a.{container}', codec, (352, 288))
    assert derain_video(unchanged, source, str(tmp_path / f'b.{container}')) == 6
    assert codecs(tmp_path / f'b.{container}') == codecs(source)


@pytest.mark.parametrize(
    ('sound', 'container', 'message'),
    [
        ('pcm_s16le', 'ts', r'cannot hold the sound of the video \(pcm_s16le\); .* \.mkv'),
        ('mp2', 'webm', r'cannot hold the sound of the video \(mp2\); .* \.mkv'),
        ('pcm_s16le', 'mp4', r'cannot be written: .* it would hold h264, pcm_s16le, .* \.mkv'),
    ],
)
def test_sound_that_the_container_does_not_hold_is_refused(tmp_path, sound, container, message):
    source, out = encoded(tmp_path / 'a.mkv', sound=sound), tmp_path / f'b.{container}'
    with pytest.raises(DataError, match=f'^{out}: .*{message}'):
        derain_video(unchanged, source, str(out))
    assert [p.name for p in tmp_path.iterdir()] == ['a.mkv']


def test_what_cannot_be_read_is_not_said_to_be_unwritable(tmp_path):
    (tmp_path / 'folder.mp4').mkdir()
    for name in ('folder.mp4', 'nothing.mp4'):
        with pytest.raises(ImageError, match=rf'^{tmp_path}/{name}: cannot be read'):
            derain_video(unchanged, str(tmp_path / name), str(tmp_path / 'b.mp4'))


def test_errors_of_the_network_are_not_those_of_files(tmp_path):
    def fail(picture):
        raise ValueError('a defect of ours')

    with pytest.raises(ValueError, match='a defect of ours'):
        derain_video(fail, encoded(tmp_path / 'a.mkv'), str(tmp_path / 'b.mkv'))


def test_a_video_whose_size_changes_is_named(tmp_path):
    parts = [Path(encoded(tmp_path / f'{w}.ts', size=(w, 48))) for w in (64, 96)]
    (tmp_path / 'a.ts').write_bytes(b''.join(part.read_bytes() for part in parts))
    with pytest.raises(ImageError, match=r'a\.ts: frame 7 has 96x48 pixels, those before have 64x48'):
        derain_video(unchanged, str(tmp_path / 'a.ts'), str(tmp_path / 'b.ts'))


def test_a_fragmented_mp4_that_was_cut_off_is_named(tmp_path):
    options = {'movflags': 'frag_keyframe+empty_moov'}
    source = encoded(tmp_path / 'a.mp4', count=40, options=options)
    assert derain_video(unchanged, source, str(tmp_path / 'whole.mp4')) == 40
    content = (tmp_path / 'a.mp4').read_bytes()
    (tmp_path / 'cut.mp4').write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=r'the file is cut off: .* of 8\.0 seconds'):
        derain_video(unchanged, str(tmp_path / 'cut.mp4'), str(tmp_path / 'b.mp4'))


def test_the_nearest_format_of_pixels_is_chosen(tmp_path):
    source = encoded(tmp_path / 'a.mov', 'prores_ks', pixels='yuva444p10le')
    derain_video(unchanged, source, str(tmp_path / 'b.mov'))
    with av.open(str(tmp_path / 'b.mov')) as reading:
        assert reading.streams.video[0].codec_context.pix_fmt.startswith('yuv444p')


def test_the_default_sound_stays_the_default(tmp_path):
    with av.open(str(record(tmp_path / 'a.mp4'))) as reading, av.open(str(tmp_path / 'b.mkv'), 'w') as out:
        video, *sounds = (out.add_stream_from_template(reading.streams[i]) for i in (0, 1, 1))
        sounds[0].disposition = av.stream.Disposition(0)
        sounds[1].disposition = av.stream.Disposition.default
        for packet in reading.demux():
            if packet.dts is not None:
                packet.stream = sounds[1] if packet.stream.type == 'audio' else video
                out.mux(packet)
    derain_video(unchanged, str(tmp_path / 'b.mkv'), str(tmp_path / 'c.mkv'))
    with av.open(str(tmp_path / 'c.mkv')) as reading:
        assert [bool(s.disposition & av.stream.Disposition.default) for s in reading.streams.audio] == [
            False,
            True,
        ]


def test_an_empty_pipe_is_no_success():
    with pytest.raises(ImageError, match='the pipe ended before its first frame'):
        derain_frames(unchanged, BytesIO(), BytesIO(), (4, 4))
