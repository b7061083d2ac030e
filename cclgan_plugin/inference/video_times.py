"""When each frame of a video is shown, also where its container does not say so."""

from __future__ import annotations

from typing import Any


class FrameTimes:
    """Times that rise from frame to frame.

    Args:
        container: FFmpeg's name of the container, such as ``avi``.
    """

    def __init__(self, container: str) -> None:
        # AVI has no times: FFmpeg guesses H.264's as if no frame were stored ahead of its turn.
        self._guessed = container == 'avi'
        self._last: int | None = None
        self._step = 1

    def of(self, frame: Any) -> int:
        """The time of the next frame, in its time base.

        Its own one as long as those rise; from there on that of the packet after which the decoder gave it
        away, which is FFmpeg's best effort, too.
        """
        time, last = frame.pts, self._last
        self._guessed |= time is None or (last is not None and time <= last)
        if self._guessed:
            time = frame.dts
        if last is None:
            time = 0 if time is None else time
        else:
            # After the last packet the decoder gives away what it holds: no packet stands for that.
            time = last + self._step if time is None else max(time, last + 1)
            self._step = time - last
        self._last = time
        return int(time)
