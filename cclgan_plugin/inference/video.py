"""Video files and pipes of raw frames, frame by frame; sound and timing stay as they were."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.errors import DataError, OptionError
from cclgan_plugin.inference.derainer import Derainer
from cclgan_plugin.inference.jobs import VIDEO_EXTENSIONS
from cclgan_plugin.inference.video_look import picture_stream, quarter_turns
from cclgan_plugin.partial_file import partial_path

#: Called with the number of frames that are done, and of all (0 = not known).
FrameProgress = Callable[[int, int], None]

#: What a container says about its own making.
_OF_THE_CONTAINER = ('major_brand', 'minor_version', 'compatible_brands', 'encoder')

#: Encoders for codecs that are written under another name, or not at all.
_ENCODERS = {'h264': 'libx264', 'hevc': 'libx265', 'vp9': 'libvpx-vp9', 'vp8': 'libvpx', 'av1': 'libsvtav1'}


def derain_video(derainer: Derainer, source: str, out: str, progress: FrameProgress | None = None) -> int:
    """Derain every frame of a video.

    The picture keeps its size and is turned upright, its frames keep their times; sound and subtitles are
    copied without decoding. The codec stays where an encoder for it is there, else it becomes H.264. The file
    appears when it is whole.

    Args:
        derainer: with the network.
        source: the video.
        out: the result, in a container that its extension names.
        progress: is told after each frame.

    Returns:
        The number of frames.

    Raises:
        OptionError: PyAV is not installed.
        ImageError: the file is no video, or is cut off or damaged.
        DataError: the result cannot be written, or its extension is not that of a video.
    """
    av = _av()
    temporary = Path(partial_path(out, keep_extension=True))
    if os.path.splitext(out)[1].lower() not in VIDEO_EXTENSIONS:
        raise DataError(f'{out}: expected the extension of a video: {", ".join(VIDEO_EXTENSIONS)}')
    try:
        os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
        turns = quarter_turns(av, source)
        count = _transcode(av, derainer, source, str(temporary), turns, progress)
        os.replace(temporary, out)
    except av.error.FFmpegError as error:
        if error.errno in (28, 13, 30):
            raise DataError(f'{out}: cannot be written: {error.strerror}') from error
        raise ImageError(f'{source}: not a readable video, or damaged ({error.strerror})') from error
    except OSError as error:
        raise DataError(f'{out}: cannot be written: {error.strerror or error}') from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return count


def _transcode(
    av: Any, derainer: Derainer, source: str, out: str, turns: int, progress: FrameProgress | None
) -> int:
    with av.open(source) as reading:
        video = picture_stream(reading, source)
        video.thread_type = 'AUTO'
        with av.open(
            out, 'w', options={'movflags': 'faststart'} if out.lower().endswith(('mp4', 'mov', 'm4v')) else {}
        ) as writing:
            target = _video_stream(av, writing, video, turns)
            _describe(reading, writing, _OF_THE_CONTAINER)
            copied = {
                stream.index: writing.add_stream_from_template(stream)
                for stream in (*reading.streams.audio, *reading.streams.subtitles)
            }
            for index, stream in copied.items():
                _describe(reading.streams[index], stream, ())
            count = 0
            streams = [video, *(reading.streams[index] for index in copied)]
            for packet in reading.demux(streams):
                if packet.stream.index in copied:
                    if packet.dts is not None:
                        packet.stream = copied[packet.stream.index]
                        writing.mux(packet)
                    continue
                for frame in packet.decode():
                    writing.mux(target.encode(_derained(av, derainer, frame, target, turns)))
                    count += 1
                    if progress:
                        progress(count, video.frames)
            writing.mux(target.encode(None))
    if count == 0:
        raise ImageError(f'{source}: not a single frame could be decoded')
    return count


def _describe(source: Any, target: Any, without: Collection[str]) -> None:
    """Titles, languages, the time of the recording."""
    target.metadata.update({k: v for k, v in source.metadata.items() if k.lower() not in without})


def _video_stream(av: Any, writing: Any, video: Any, turns: int) -> Any:
    """A stream like ``video``, of the same codec where there is an encoder for it."""
    codec = _ENCODERS.get(video.codec_context.name, video.codec_context.name)
    if codec not in av.codecs_available or not _can_encode(av, codec):
        codec = 'libx264' if 'libx264' in av.codecs_available else 'mpeg4'
    rate = video.average_rate or video.guessed_rate or 25
    target = writing.add_stream(codec, rate=rate)
    width, height = video.codec_context.width, video.codec_context.height
    target.width, target.height = (height, width) if turns % 2 else (width, height)
    formats = [f.name for f in av.Codec(codec, 'w').video_formats or ()]
    wanted = video.codec_context.pix_fmt
    target.pix_fmt = wanted if wanted in formats or not formats else formats[0]
    context = target.codec_context
    context.time_base = _time_base(codec, video.time_base, rate)
    shape = video.sample_aspect_ratio
    if shape:
        context.sample_aspect_ratio = 1 / shape if turns % 2 else shape
    for name in ('color_range', 'colorspace', 'color_primaries', 'color_trc'):
        setattr(context, name, getattr(video.codec_context, name))
    if codec in ('libx264', 'libx265'):
        target.options = {'crf': '17', 'preset': 'medium'}
        if codec == 'libx265':
            # It tells what it does, past us.
            target.options |= {'x265-params': 'log-level=error'}
    elif video.codec_context.bit_rate:
        target.bit_rate = video.codec_context.bit_rate
    return target


def _time_base(codec: str, wanted: Any, rate: Any) -> Any:
    """That of the source, unless the codec has none so fine."""
    if codec in ('mpeg1video', 'mpeg2video'):
        return 1 / Fraction(rate)
    return Fraction(1, 45_000) if codec == 'mpeg4' and wanted.denominator > 65_535 else wanted


def _can_encode(av: Any, codec: str) -> bool:
    try:
        return bool(av.Codec(codec, 'w').is_encoder)
    except (ValueError, av.error.FFmpegError):
        return False


def _derained(av: Any, derainer: Derainer, frame: Any, target: Any, turns: int) -> Any:
    # More than 8 bits stay more than 8 bits.
    deep = any(component.bits > 8 for component in frame.format.components)
    kind = 'rgb48le' if deep else 'rgb24'
    upright = np.ascontiguousarray(np.rot90(frame.to_ndarray(format=kind), turns))
    derained = av.VideoFrame.from_ndarray(derainer(upright), format=kind)
    derained = derained.reformat(
        format=target.pix_fmt,
        dst_colorspace=frame.colorspace or None,
        dst_color_range=frame.color_range or None,
    )
    derained.pts, derained.time_base = frame.pts, frame.time_base
    return derained


def derain_frames(
    derainer: Derainer, reading: BinaryIO, writing: BinaryIO, size: tuple[int, int], deep: bool = False
) -> int:
    """Derain raw RGB frames from one stream to another, until the first one ends.

    Args:
        derainer: with the network.
        reading: frames one after the other, ``rgb24`` or, with ``deep``, ``rgb48le``.
        writing: where the same kind of frames go.
        size: width and height.
        deep: 16 bits for each colour instead of 8.

    Returns:
        The number of frames.

    Raises:
        ImageError: the stream ends within a frame.
    """
    width, height = size
    kind = np.dtype('<u2') if deep else np.dtype(np.uint8)
    length = width * height * 3 * kind.itemsize
    count = 0
    while data := _exactly(reading, length):
        if len(data) < length:
            raise ImageError(
                f'the pipe ended within frame {count + 1}: {len(data)} of {length} bytes; is the size right?'
            )
        frame = np.frombuffer(data, kind).reshape(height, width, 3).astype(kind.newbyteorder('='))
        writing.write(derainer(frame).astype(kind).tobytes())
        writing.flush()
        count += 1
    return count


def _exactly(reading: BinaryIO, length: int) -> bytes:
    """``length`` bytes, or fewer at the end of the stream."""
    parts = []
    while length:
        part = reading.read(length)
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return b''.join(parts)


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise OptionError(
            f'videos need PyAV: pip install "cclgan-plugin[video]" (for {sys.executable})'
        ) from error
    return av
