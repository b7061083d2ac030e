"""Tables and picture in MODEL_ZOO.md and README.md, made out of the results and checked against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from PIL import Image

from benchmarks.comparison.chart import chart
from benchmarks.comparison.plan_files import read_methods, read_protocol
from benchmarks.comparison.results import Result, first_figures, read_results
from benchmarks.comparison.tables import pages
from benchmarks.tables import table, with_text
from cclgan_plugin.checksum import sha256_of
from cclgan_plugin.errors import DataError
from cclgan_plugin.whole_file import write_whole

PICTURE = Path('docs') / 'comparison.png'
_DIGEST = 'results-sha256'
_COMMAND = 'python benchmarks/methods.py --pages'


def summary(results: Sequence[Result]) -> str:
    """The README's table: PSNR of each method on the first test of each protocol with a truth."""
    columns = first_figures(results)
    rows = []
    for name, method in read_methods().items():
        cells = [f'{mean(found[name]):.2f}' if name in found else '' for found in columns.values()]
        if any(cells):
            rows.append([method.title, *cells])
    heads = [f'{read_protocol(p).tests[0].name} ({p}, {s})' for p, s in columns]
    return table(['PSNR (Y), dB', *heads], rows)


def made(root: Path, results_file: Path) -> dict[Path, str]:
    """What the two pages should hold."""
    results = read_results(results_file)
    found = {}
    for name, mark, text in (
        ('MODEL_ZOO.md', 'comparison', pages(results)),
        ('README.md', 'comparison summary', summary(results)),
    ):
        page = root / name
        found[page] = with_text(page, mark, text)
    return found


def write_pages(root: Path, results_file: Path) -> None:
    """Write both pages and the picture."""
    for page, text in made(root, results_file).items():
        write_whole(page, text.encode())
    picture = chart(read_results(results_file), {_DIGEST: sha256_of(results_file)})
    write_whole(root / PICTURE, picture)


def check_pages(root: Path, results_file: Path) -> int:
    """Whether pages and picture are those of the results; 1 = they are not, and which is printed."""
    if not results_file.is_file():
        raise DataError(f'{results_file}: there is no such file; the pages are made of it')
    late = [page for page, text in made(root, results_file).items() if page.read_text('utf-8') != text]
    picture = root / PICTURE
    if not picture.exists() or Image.open(picture).info.get(_DIGEST) != sha256_of(results_file):
        late.append(picture)
    for file in late:
        print(f'{file} is out of date: {_COMMAND}')
    return 1 if late else 0
