"""The course of a run: a table that grows while it trains, and a picture of it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cclgan_plugin.training.run_files import write_run_file, writing

COLUMNS = ('iteration', 'name', 'value')


class Curves:
    """Values over iterations, kept in ``curves.csv`` (iteration, name, value) so that nothing is lost.

    Args:
        folder: the experiment's folder; it must exist.
        go_on: keep the rows that are there; see :meth:`cut`.
    """

    def __init__(self, folder: str | Path, go_on: bool = False) -> None:
        self.folder = Path(folder)
        self.path = self.folder / 'curves.csv'
        if not go_on:
            self._write([])

    def cut(self, iteration: int) -> None:
        """Drop what an interrupted run noted after the iteration from which it is resumed."""
        # The validation of that iteration is done again.
        self._write(
            [
                row
                for row in self._rows()
                if row[0] < iteration or (row[0] == iteration > 0 and ':' not in row[1])
            ]
        )

    def _write(self, kept: list[tuple[int, str, float]]) -> None:
        text = io.StringIO(newline='')
        csv.writer(text).writerows([COLUMNS, *kept])
        write_run_file(self.path, text.getvalue().encode())

    def add(self, iteration: int, values: Mapping[str, float]) -> None:
        """Append one row for each value.

        Raises:
            TrainingError: the file cannot be written.
        """
        with writing(self.path), self.path.open('a', encoding='utf-8', newline='') as file:
            csv.writer(file).writerows((iteration, name, value) for name, value in values.items())

    def _rows(self) -> list[tuple[int, str, float]]:
        if not self.path.is_file():
            return []
        found = []
        with self.path.open(encoding='utf-8', newline='') as file:
            for row in csv.reader(file):
                # The first line; and one that a kill has cut short.
                with suppress(ValueError):
                    iteration, name, value = row
                    found.append((int(iteration), name, float(value)))
        return found

    def draw(self) -> Path | None:
        """Draw ``curves.png``, one small diagram for each name; nothing where there is nothing to draw.

        Returns:
            The picture's path.

        Raises:
            TrainingError: it cannot be written.
        """
        series: dict[str, list[tuple[int, float]]] = {}
        for iteration, name, value in self._rows():
            series.setdefault(name, []).append((iteration, value))
        if not series:
            return None
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        columns = min(4, len(series))
        rows = math.ceil(len(series) / columns)
        figure = Figure(figsize=(3.6 * columns, 2.6 * rows), layout='constrained')
        FigureCanvasAgg(figure)
        losses_first = sorted(series.items(), key=lambda item: (':' in item[0], item[0]))
        for i, (name, points) in enumerate(losses_first):
            axes = figure.add_subplot(rows, columns, i + 1)
            axes.plot(*zip(*points, strict=True), linewidth=1.2, marker='.' if len(points) < 30 else '')
            axes.set_title(name, fontsize=10)
            axes.set_xlabel('iteration', fontsize=8)
            axes.tick_params(labelsize=8)
            axes.grid(alpha=0.3)
        path = self.folder / 'curves.png'
        picture = io.BytesIO()
        figure.savefig(picture, dpi=110)
        write_run_file(path, picture.getvalue())
        return path
