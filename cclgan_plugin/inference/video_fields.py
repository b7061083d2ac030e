"""Interlaced frames: two fields, taken one after the other, in the even and the odd rows of one picture."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from cclgan_plugin.data.image_error import ImageError

#: FFmpeg's filters, the better one first.
_FILTERS = ('bwdif', 'yadif')


class Deinterlacer:
    """Frames without fields, as many as before and at the same times: networks know no fields, and mix them.

    Progressive frames pass unchanged, and nothing is built as long as there are no others.

    Args:
        av: the module.
        source: what the video is called in messages.
        notice: is told at the first interlaced frame.
    """

    def __init__(self, av: Any, source: str, notice: Callable[[str], None]) -> None:
        self._av, self._source, self._notice = av, source, notice
        self._graph: Any = None
        self._times: deque[tuple[int, Any]] = deque()

    def frames(self, frame: Any) -> Iterator[Any]:
        """What is ready once this frame is known, or once there are no more of them: None.

        Raises:
            ImageError: the frame is interlaced, and PyAV has no filter for that, or it takes no such frame.
        """
        if self._graph is None:
            if frame is None:
                return
            if not frame.interlaced_frame:
                yield frame
                return
            self._graph = self._built(frame)
            self._notice(f'{self._source}: its frames are interlaced; the result is deinterlaced')
        if frame is not None:
            self._times.append((frame.pts, frame.time_base))
        self._graph.vpush(frame)
        while True:
            try:
                ready = self._graph.vpull()
            except (BlockingIOError, EOFError):
                # It wants to see the next frame, or has given away the last.
                return
            # The filter counts in halves of the unit.
            ready.pts, ready.time_base = self._times.popleft()
            yield ready

    def _built(self, frame: Any) -> Any:
        for name in _FILTERS:
            graph = self._av.filter.Graph()
            with contextlib.suppress(AttributeError):  # older PyAV has no such choice
                graph.threads = 1  # more would be missing in a forked process, see video_pixels
            try:
                begin = graph.add_buffer(
                    width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
                )
                middle, end = graph.add(name, 'mode=send_frame:deint=interlaced'), graph.add('buffersink')
                begin.link_to(middle)
                middle.link_to(end)
                graph.configure()
            except (ValueError, self._av.error.FFmpegError):  # no such filter in this build, or not for this
                continue
            return graph
        raise ImageError(
            f'{self._source}: its frames are interlaced, and this PyAV has no filter for them '
            f'({" or ".join(_FILTERS)}); expected a progressive video: deinterlace it first'
        )
