"""Tables as text that is Markdown as well, alone and between the marks of a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cclgan_plugin.errors import DataError
from cclgan_plugin.marked_page import between_marks
from cclgan_plugin.whole_file import write_whole


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns between bars: the first to the left, the others, numbers mostly, to the right."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *rest = row
        others = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        return '| ' + ' | '.join([first.ljust(widths[0]), *others]) + ' |'

    rule = '|' + '|'.join('-' * (w + 1) + ('-' if i == 0 else ':') for i, w in enumerate(widths)) + '|'
    return '\n'.join([line(cells[0]), rule, *map(line, cells[1:])])


def with_text(path: Path, name: str, text: str) -> str:
    """A Markdown page with ``text`` between its lines ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``.

    Raises:
        DataError: the file cannot be read, or has not exactly one such pair of lines.
    """
    try:
        page = path.read_text(encoding='utf-8')
    except OSError as error:
        raise DataError(f'{path}: cannot be read: {error.strerror}') from error
    return between_marks(page, f'<!-- {name}: begin -->', f'<!-- {name}: end -->', text, str(path))


def replace_between_marks(path: Path, name: str, text: str) -> None:
    """Write what :func:`with_text` makes of a page.

    Raises:
        DataError: see there; or the page cannot be written.
    """
    write_whole(path, with_text(path, name, text).encode())
