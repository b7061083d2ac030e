"""Videos keep size, timing and sound."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import skimage.data

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.errors import DataError
from cclgan_plugin.inference import Derainer
from cclgan_plugin.inference.pixels import LUMA
from cclgan_plugin.inference.video import derain_video

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
