"""A video that is written: streams like those of another one, as far as its container holds them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any

from cclgan_plugin.errors import DataError
from cclgan_plugin.inference.video_extras import carry_extras
from cclgan_plugin.inference.video_ticks import EVEN_CODECS, Ticks, nearest_rate, needs_ticks

#: What a container says about its own making.
_OF_THE_CONTAINER = ('major_brand', 'minor_version', 'compatible_brands', 'encoder')

#: Encoders for codecs that are written under another name, or not at all.
_ENCODERS = {'h264': 'libx264', 'hevc': 'libx265', 'vp9': 'libvpx-vp9', 'vp8': 'libvpx', 'av1': 'libsvtav1'}

#: What players find again in an MPEG transport stream. FFmpeg writes anything else too, as nameless data.
_IN_MPEGTS = (
    *('mpeg1video', 'mpeg2video', 'mpeg4', 'h264', 'hevc', 'vvc', 'vc1'),
    *('mp1', 'mp2', 'mp3', 'aac', 'aac_latm', 'ac3', 'eac3', 'dts', 'truehd', 'opus', 's302m'),
    *('dvb_subtitle', 'dvb_teletext', 'hdmv_pgs_subtitle', 'arib_caption'),
)


@contextlib.contextmanager
def written(av: Any, out: str, holding: str = '') -> Iterator[None]:
    """Errors inside are those of writing ``out``.

    Raises:
        DataError: it cannot be written.
    """
    try:
        yield
    except (OSError, ValueError, av.error.FFmpegError) as error:
        reason = getattr(error, 'strerror', None) or error
        if holding and getattr(error, 'errno', None) == errno.EINVAL:
            # Some containers refuse only when their header is written, and do not say what.
            reason = (
                f'{reason}; it would hold {holding}, for which another extension, such as .mkv, may be better'
            )
        raise DataError(f'{out}: cannot be written: {reason}') from error


class VideoTarget:
    """The streams of ``reading`` in another file: the picture anew, sound, subtitles, chapters as they are.

    Args:
        av: the module.
        file: what to write.
        out: what it is called in messages.
        reading: the source.
        video: its stream with the picture.
        turns: by how many quarters the picture is turned.

    Attributes:
        lost: what of the source the container cannot hold, in words; it is left out.

    Raises:
        DataError: the container cannot hold that, or nothing can be written; from every method.
    """

    def __init__(self, av: Any, file: str, out: str, reading: Any, video: Any, turns: int) -> None:
        self._av, self._out, self._holding = av, out, ''
        extension = os.path.splitext(file)[1].lower()
        with written(av, out):
            self._file = av.open(
                file, 'w', options={'movflags': 'faststart'} if extension in ('.mp4', '.mov', '.m4v') else {}
            )
        try:
            self._add_streams(reading, video, turns)
        except BaseException:
            self._close_quietly()
            raise

    def _add_streams(self, reading: Any, video: Any, turns: int) -> None:
        with written(self._av, self._out):
            self._video = _video_stream(self._av, self._file, self._out, video, turns)
            context = self._video.codec_context
            counted = needs_ticks(context.name, self._file.format.name)
            self._ticks = Ticks(context.framerate) if counted else None
            self._video.disposition = video.disposition
            _describe(reading, self._file, _OF_THE_CONTAINER)
        self._copied: dict[int, Any] = {}
        for stream in (*reading.streams.audio, *reading.streams.subtitles):
            copy = self._add_copy(stream)
            _describe(stream, copy, ())
            copy.disposition = stream.disposition
            self._copied[stream.index] = copy
        with written(self._av, self._out):
            self.lost = carry_extras(reading, self._file, (video.index, *self._copied))
        self._holding = ', '.join(_codec(stream) for stream in (self._video, *self._copied.values()))

    def _add_copy(self, stream: Any) -> Any:
        with contextlib.suppress(ValueError):
            if _is_held(self._file, _codec(stream)):
                return self._file.add_stream_from_template(stream)
        what = 'sound' if stream.type == 'audio' else 'subtitles'
        raise DataError(
            f'{self._out}: this kind of file cannot hold the {what} of the video ({_codec(stream)}); '
            'expected another extension, such as .mkv'
        )

    @property
    def pixel_format(self) -> str:
        """Of the frames to encode."""
        return str(self._video.pix_fmt)

    @property
    def copied(self) -> Collection[int]:
        """The streams of the source whose packets are to be copied."""
        return self._copied

    def copy(self, packet: Any) -> None:
        """Write a packet of sound or subtitles."""
        packet.stream = self._copied[packet.stream.index]
        with written(self._av, self._out, self._holding):
            self._file.mux(packet)

    def encode(self, frame: Any) -> None:
        """Write a frame; None after the last one."""
        with written(self._av, self._out, self._holding):
            if self._ticks and frame is not None:
                self._ticks.number(frame)
            for packet in self._video.encode(frame):
                if self._ticks:
                    self._ticks.restore(packet)
                self._file.mux(packet)

    def __enter__(self) -> VideoTarget:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._close_quietly()
            return
        with written(self._av, self._out, self._holding):
            self._file.close()

    def _close_quietly(self) -> None:
        """What went wrong before is what is told."""
        with contextlib.suppress(OSError, ValueError, self._av.error.FFmpegError):
            self._file.close()


def _describe(source: Any, target: Any, without: Collection[str]) -> None:
    """Titles, languages, the time of the recording."""
    target.metadata.update({k: v for k, v in source.metadata.items() if k.lower() not in without})


def _codec(stream: Any) -> str:
    """The codec's own name: that of a context is the decoder's, such as libdav1d for AV1."""
    return str(stream.codec_context.codec.canonical_name)


def _is_held(writing: Any, codec: str) -> bool:
    return writing.format.name != 'mpegts' or codec in _IN_MPEGTS


def _video_stream(av: Any, writing: Any, out: str, video: Any, turns: int) -> Any:
    """A stream like ``video``, of the same codec where it can be encoded and the container holds it."""
    rate = video.average_rate or video.guessed_rate or 25
    wanted, usual = _codec(video), writing.default_video_codec
    choice = (_ENCODERS.get(wanted, wanted), 'libx264', _ENCODERS.get(usual, usual), 'mpeg4')
    for codec in choice:
        if not _can_encode(av, codec) or not _is_held(writing, av.Codec(codec, 'w').canonical_name):
            continue
        with contextlib.suppress(ValueError):  # the container refuses
            if codec in EVEN_CODECS:
                rate = nearest_rate(rate, codec, av.Codec(codec, 'w').frame_rates)
            target = writing.add_stream(codec, rate=rate)
            break
    else:
        raise DataError(f'{out}: there is no encoder for a codec that this kind of file holds')
    width, height = video.codec_context.width, video.codec_context.height
    target.width, target.height = (height, width) if turns % 2 else (width, height)
    target.pix_fmt = _pixel_format(av, codec, video.codec_context.pix_fmt)
    context = target.codec_context
    if needs_ticks(codec, writing.format.name):
        target.time_base, context.max_b_frames = video.time_base, 0
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
            if writing.format.name in ('mp4', 'mov'):
                # As phones write it; of FFmpeg's own choice, hev1, Apple's players show nothing.
                context.codec_tag = 'hvc1'
    elif codec == 'libsvtav1':
        target.options = {'crf': '20', 'preset': '8'}
        # It tells what it does, too, and is asked for silence like this alone.
        os.environ.setdefault('SVT_LOG', '1')
    elif video.codec_context.bit_rate:
        target.bit_rate = video.codec_context.bit_rate
    return target


def _pixel_format(av: Any, codec: str, wanted: str) -> str:
    """The nearest that the encoder takes; alpha does not count, since none is derained."""
    formats = [f.name for f in av.Codec(codec, 'w').video_formats or ()]
    if wanted in formats or not formats:
        return wanted
    best, _ = av.codec.find_best_pix_fmt_of_list(formats, wanted)
    return str(best.name)


def _time_base(codec: str, wanted: Any, rate: Any) -> Any:
    """That of the source, unless the codec has none so fine."""
    if codec in EVEN_CODECS:
        return 1 / Fraction(rate)
    return Fraction(1, 45_000) if codec == 'mpeg4' and wanted.denominator > 65_535 else wanted


def _can_encode(av: Any, codec: str) -> bool:
    try:
        return bool(av.Codec(codec, 'w').is_encoder)
    except (ValueError, av.error.FFmpegError):
        return False
