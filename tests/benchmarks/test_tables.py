"""Tables line up, and pages keep what is around them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.tables import replace_between_marks, table
from cclgan_plugin.errors import DataError


def test_columns_line_up() -> None:
    assert table(['name', 'n'], [['a', '1'], ['long name', '10']]).splitlines() == [
        '| name      |  n |',
        '|-----------|---:|',
        '| a         |  1 |',
        '| long name | 10 |',
    ]


def test_text_between_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- t: begin -->\nold\n<!-- t: end -->\nafter\n')
    for _ in range(2):
        replace_between_marks(page, 't', 'new\nlines\n')
        assert page.read_text() == 'before\n<!-- t: begin -->\n\nnew\nlines\n\n<!-- t: end -->\nafter\n'
    assert [p.name for p in tmp_path.iterdir()] == ['page.md']


@pytest.mark.parametrize('text', ['', '<!-- t: begin -->', '<!-- t: begin --><!-- t: end -->' * 2])
def test_missing_or_doubled_marks_are_refused(tmp_path: Path, text: str) -> None:
    page = tmp_path / 'page.md'
    page.write_text(text)
    with pytest.raises(DataError, match='exactly one line'):
        replace_between_marks(page, 't', 'new')
    assert page.read_text() == text
