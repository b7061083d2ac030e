"""Frames of any times for codecs that only know even ones."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Any

#: Each of their frames stands for the same time; when it is shown is for the container to say.
EVEN_CODECS = ('mpeg1video', 'mpeg2video')


def needs_ticks(codec: str, container: str) -> bool:
    """Whether frames are to be numbered. An AVI says no times: there the numbers are all there is."""
    return codec in EVEN_CODECS and container != 'avi'


class Ticks:
    """Numbers the frames for the encoder, and gives their times to the packets.

    In ticks of the encoder's, two frames may have the same time (24 frames a second in a video of 30), which
    it refuses, and others a time next to their own.

    Args:
        rate: of the encoder.
    """

    def __init__(self, rate: Fraction) -> None:
        self._tick = 1 / rate
        self._count = 0
        self._times: deque[tuple[int, Any]] = deque()

    def number(self, frame: Any) -> None:
        """Put the frame's number in place of its time."""
        self._times.append((frame.pts, frame.time_base))
        frame.pts, frame.time_base = self._count, self._tick
        self._count += 1

    def restore(self, packet: Any) -> None:
        """Put the time of its frame on a packet; of frames that are not stored ahead of their turn."""
        time, base = self._times.popleft()
        packet.time_base = base
        packet.pts = packet.dts = time
        packet.duration = round(self._tick / base)


def nearest_rate(rate: Any, codec: str, possible: Any) -> Fraction:
    """Of the rates that a codec has, the nearest; they are all right for players, which go by the times."""
    # FFmpeg lists some for MPEG-1 that are not in its standard, and refuses them: all below 20.
    rates = [Fraction(one) for one in possible if codec != 'mpeg1video' or one > 20]
    return min(rates, key=lambda one: abs(one - Fraction(rate)))
