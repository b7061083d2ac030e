"""What a video shows before it is derained: whether all of it is there, and which way is up."""

from __future__ import annotations

from typing import Any

from cclgan_plugin.data.image_error import ImageError

#: Containers say how much they hold, though not always to the last frame: this part of it has to be there,
#: but for a second.
_NEARLY, _SECOND = 0.98, 1.0


def picture_stream(reading: Any, source: str) -> Any:
    """The stream with the moving picture; a cover is another one.

    Raises:
        ImageError: there is none.
    """
    if not reading.streams.video:
        raise ImageError(f'{source}: there is no picture in this file')
    return reading.streams.best('video') or reading.streams.video[0]


def quarter_turns(av: Any, source: str) -> int:
    """How often its frames have to be turned by 90 degrees, counter-clockwise, to be upright.

    Raises:
        ImageError: there is no picture in it, or less of it than its container announces.
    """
    with av.open(source) as reading:
        _check_whole(reading, picture_stream(reading, source), source)
    with av.open(source) as reading:
        first = next(reading.decode(picture_stream(reading, source)), None)
    return round(getattr(first, 'rotation', 0) / 90) % 4


def _check_whole(reading: Any, video: Any, source: str) -> None:
    """Without decoding, which takes no time beside the network."""
    count, end, own = 0, 0.0, 0
    for packet in reading.demux():
        of_video = packet.stream.index == video.index
        count += of_video and packet.size > 0
        if packet.pts is not None and packet.time_base:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            own = max(own, packet.pts + (packet.duration or 0)) if of_video else own
    # AVI counts frames that the camera dropped, and holds nothing for them. Then its last frame is there.
    ended = video.duration is not None and own - (video.start_time or 0) >= video.duration
    if count < video.frames * _NEARLY - 1 and not ended:
        raise ImageError(f'{source}: the file is cut off: {count} of {video.frames} frames are there')
    # Elsewhere it is a guess from the beginning of the file, or reckoned from its end.
    # A fragmented MP4 counts no frames, and its last fragment announces all that it should hold.
    fragmented = 'mp4' in reading.format.name and not video.frames
    announces = 'matroska' in reading.format.name or reading.format.name == 'flv'
    if (fragmented or announces) and reading.duration is not None:
        announced = reading.duration / 1e6
        if end < announced * _NEARLY - _SECOND:
            raise ImageError(f'{source}: the file is cut off: {end:.1f} of {announced:.1f} seconds are there')
