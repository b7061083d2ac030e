"""Video files and pipes of raw frames, frame by frame; sound and timing stay as they were."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.errors import DataError, OptionError
from cclgan_plugin.inference.derainer import Derainer
from cclgan_plugin.inference.jobs import VIDEO_EXTENSIONS
from cclgan_plugin.inference.video_extras import unsaid_of
from cclgan_plugin.inference.video_fields import Deinterlacer
from cclgan_plugin.inference.video_look import picture_stream, quarter_turns
from cclgan_plugin.inference.video_pixels import frame_of, picture_of
from cclgan_plugin.inference.video_target import VideoTarget, written
from cclgan_plugin.inference.video_times import FrameTimes
from cclgan_plugin.partial_file import partial_path

#: Called with the number of frames that are done, and of all (0 = not known).
FrameProgress = Callable[[int, int], None]
#: Called with a line that names the video: what becomes of it besides being derained.
Notice = Callable[[str], None]


def derain_video(
    derainer: Derainer,
    source: str,
    out: str,
    progress: FrameProgress | None = None,
    notice: Notice | None = None,
) -> int:
    """Derain every frame of a video.

    The picture keeps its size and is turned upright, its frames keep their times; interlaced ones are
    deinterlaced. Sound, subtitles and chapters are copied without decoding. The codec stays where an encoder
    for it is there and the container holds it; else it becomes H.264, or what is usual in the container. The
    file appears when it is whole.

    Args:
        derainer: with the network.
        source: the video.
        out: the result, in a container that its extension names.
        progress: is told after each frame.
        notice: is told that the video is interlaced, and what of it the result does not hold.

    Returns:
        The number of frames.

    Raises:
        OptionError: PyAV is not installed.
        ImageError: the file is no video, is cut off or damaged, or is interlaced and PyAV has no filter for
            that.
        DataError: the result cannot be written, its extension is not that of a video, or its container
            cannot hold the sound or the subtitles.
    """
    av = _av()
    # A link stays one; its own extension says the kind of video, not that of the file that it leads to.
    target = os.path.realpath(out)
    beside = os.path.join(os.path.dirname(target), os.path.basename(out))
    temporary = Path(partial_path(beside, keep_extension=True))
    if os.path.splitext(out)[1].lower() not in VIDEO_EXTENSIONS:
        raise DataError(f'{out}: expected the extension of a video: {", ".join(VIDEO_EXTENSIONS)}')
    try:
        with written(av, out):
            os.makedirs(os.path.dirname(target), exist_ok=True)
        count = _transcode(av, derainer, source, out, str(temporary), progress, notice or _unheard)
        with written(av, out):
            os.replace(temporary, target)
    except av.error.FFmpegError as error:
        # Errors of writing have become others by now.
        if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError)):
            raise ImageError(f'{source}: cannot be read: {error.strerror}') from error
        raise ImageError(f'{source}: not a readable video, or damaged ({error.strerror})') from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return count


def _transcode(
    av: Any,
    derainer: Derainer,
    source: str,
    out: str,
    file: str,
    progress: FrameProgress | None,
    notice: Notice,
) -> int:
    turns = quarter_turns(av, source)
    count = 0
    with av.open(source) as reading:
        video = picture_stream(reading, source)
        video.thread_type = 'AUTO'
        with VideoTarget(av, file, out, reading, video, turns) as target:
            for frame in _frames(reading, video, target, Deinterlacer(av, source, notice), source):
                if count == 0 and (lost := target.lost + unsaid_of(frame)):
                    notice(f'{source}: not in the result: {", ".join(lost)}')
                target.encode(_derained(av, derainer, frame, target.pixel_format, turns))
                count += 1
                if progress:
                    progress(count, video.frames)
            if count == 0:
                raise ImageError(f'{source}: not a single frame could be decoded')
            target.encode(None)
    return count


def _frames(
    reading: Any, video: Any, target: VideoTarget, deinterlacer: Deinterlacer, source: str
) -> Iterator[Any]:
    """What is to be derained. Packets in between that are to be copied are copied."""
    times = FrameTimes(reading.format.name)
    size = video.codec_context.width, video.codec_context.height
    count = 0
    for packet in reading.demux([video, *(reading.streams[index] for index in target.copied)]):
        if packet.stream.index in target.copied:
            if packet.dts is not None:
                target.copy(packet)
            continue
        for frame in packet.decode():
            count += 1
            if (frame.width, frame.height) != size:
                raise ImageError(
                    f'{source}: frame {count} has {frame.width}x{frame.height} pixels, '
                    f'those before have {size[0]}x{size[1]}; give the parts one by one'
                )
            frame.pts = times.of(frame)
            yield from deinterlacer.frames(frame)
    yield from deinterlacer.frames(None)


def _unheard(line: str) -> None:
    pass


def _derained(av: Any, derainer: Derainer, frame: Any, pixel_format: str, turns: int) -> Any:
    upright = np.ascontiguousarray(np.rot90(picture_of(frame), turns))
    return frame_of(av, derainer(upright), frame, pixel_format)


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
        ImageError: the stream ends within a frame, or holds none.
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
    if count == 0:
        raise ImageError('the pipe ended before its first frame')
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
