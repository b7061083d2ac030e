"""Where in the options something stands: its keys, and the line that says it."""

from __future__ import annotations

from dataclasses import dataclass

#: Keys and list positions from the top of the options down to a value.
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file and a line (from 1), or an argument of the command line."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f'{self.source}:{self.line}'
