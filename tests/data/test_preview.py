"""The table of pictures shows every picture in its place."""

from __future__ import annotations

import numpy as np

from cclgan_plugin.data.preview import side_by_side


def test_pictures_stand_in_rows_and_columns_below_headings() -> None:
    rows = [[np.full((30, 40, 3), 10 * row + column, np.uint8) for column in range(2)] for row in range(3)]
    table = side_by_side(rows, ('rainy', 'clean'))
    middles = [
        [table[24 + row * 34 + 15, 4 + column * 44 + 20, 0] for column in range(2)] for row in range(3)
    ]
    assert middles == [[0, 1], [10, 11], [20, 21]]
    assert table[:20].min() < 100  # the headings' ink
    assert all((table == value).all(axis=2).sum() >= 30 * 40 for value in (1, 10, 11, 20, 21))
