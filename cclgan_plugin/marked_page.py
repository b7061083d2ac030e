"""Pages of which a part is generated: it stands between two marks."""

from __future__ import annotations

from cclgan_plugin.errors import DataError


def between_marks(page: str, begin: str, end: str, text: str, name: str) -> str:
    """The page with ``text`` between the line ``begin`` and the line ``end`` below it.

    Args:
        page: the whole page.
        begin, end: the marks, such as Markdown comments; they stay.
        text: what goes between them, on lines of its own.
        name: the page's name, for the message.

    Raises:
        DataError: there is not exactly one such pair of lines.
    """
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in rest or end in before + after:
        raise DataError(f'{name}: expected exactly one line "{begin}" and below it one line "{end}"')
    return f'{before}{begin}\n\n{text.strip()}\n\n{end}{after}'
