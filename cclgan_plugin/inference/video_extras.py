"""What a video holds besides its picture, sound and subtitles, and what of that a derained one does not."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

#: Containers that FFmpeg writes chapters into; others take them without a word, and hold none.
_WITH_CHAPTERS = ('matroska', 'webm', 'mp4', 'mov', 'ipod', '3gp')

#: What encoders are not told of a frame, by PyAV's names.
_OF_FRAMES = {
    'MASTERING_DISPLAY_METADATA': 'HDR mastering metadata',
    'CONTENT_LIGHT_LEVEL': 'HDR light levels',
    'DYNAMIC_HDR_PLUS': 'HDR10+ metadata',
    'DOVI_METADATA': 'Dolby Vision metadata',
    'A53_CC': 'closed captions',
}

_OF_STREAMS = {
    'video': 'other pictures, such as a cover',
    'attachment': 'attachments',
    'data': 'streams of data',
}


def carry_extras(reading: Any, writing: Any, carried: Collection[int]) -> list[str]:
    """Chapters and attached fonts into another file, before its header is written.

    Args:
        reading: the source.
        writing: the file.
        carried: the streams of the source that are in it already.

    Returns:
        What it cannot hold, in words.
    """
    lost = []
    # Older PyAV knows none.
    chapters = reading.chapters() if hasattr(reading, 'chapters') else []
    if chapters and writing.format.name in _WITH_CHAPTERS and hasattr(writing, 'set_chapters'):
        writing.set_chapters(chapters)
    elif chapters:
        lost.append('chapters')
    for stream in reading.streams:
        if stream.index in carried or _is_attached(stream, writing):
            continue
        # QuickTime keeps the names of chapters in a stream.
        if not (chapters and stream.type == 'data' and getattr(stream, 'name', None) == 'bin_data'):
            lost.append(_OF_STREAMS.get(stream.type, f'streams of kind {stream.type}'))
    return list(dict.fromkeys(lost))


def unsaid_of(frame: Any) -> list[str]:
    """What the first frame says besides its picture and is not passed on, in words."""
    with contextlib.suppress(ValueError):  # a kind that PyAV has no name for
        kinds = {data.type.name for data in frame.side_data}
        return [words for kind, words in _OF_FRAMES.items() if kind in kinds]
    return []


def _is_attached(stream: Any, writing: Any) -> bool:
    """Whether the stream is a font or the like, and now in the file, too: Matroska alone holds them."""
    if stream.type == 'attachment' and writing.format.name == 'matroska':
        # Older PyAV makes no stream like one that has no codec.
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            writing.add_stream_from_template(stream)
            return True
    return False
