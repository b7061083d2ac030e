"""The results file: one JSON object a line, one line for each method, protocol, scale and seed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmarks.comparison.plan_files import read_protocol
from cclgan_plugin.errors import DataError
from cclgan_plugin.whole_file import write_whole

FILE = Path(__file__).resolve().parents[1] / 'results' / 'methods.jsonl'


@dataclass(frozen=True)
class Result:
    """One trained and tested network.

    Attributes:
        protocol: name of the protocol.
        scale: name of the scale; ``zoo`` for published weights, which were not trained here.
        method: name of the method, or of the published weights.
        seed: of the training.
        options: hash of the options, without folders; of published weights, of the file.
        machine: what it was measured on, with date and commit.
        steps: iterations of the training.
        seconds: wall time of the training.
        peak_memory: most bytes of the training process.
        means: of each figure, by the name of the test.
        images: figures of each picture, by test and file name.
    """

    protocol: str
    scale: str
    method: str
    seed: int
    options: str
    machine: dict[str, str]
    steps: int
    seconds: float
    peak_memory: int
    means: dict[str, dict[str, float]]
    images: dict[str, dict[str, dict[str, float]]] = field(repr=False)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What one line of the file stands for."""
        return self.protocol, self.scale, self.method, self.seed


def read_results(file: Path = FILE) -> list[Result]:
    """All results; of several for the same run, the last one.

    Raises:
        DataError: a line is not a result; with its number.
    """
    if not file.exists():
        return []
    found: dict[tuple[str, str, str, int], Result] = {}
    for number, line in enumerate(file.read_text('utf-8').splitlines(), start=1):
        try:
            result = Result(**json.loads(line))
        except (json.JSONDecodeError, TypeError) as error:
            raise DataError(f'{file}:{number}: not a result: {error}') from error
        found.pop(result.key, None)
        found[result.key] = result
    return list(found.values())


def first_figures(results: Iterable[Result]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """PSNR on the first test of a protocol, of every seed, by protocol and scale and by method.

    Published weights, and protocols whose first test has no truth, are left out.
    """
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for result in results:
        test = read_protocol(result.protocol).tests[0]
        if result.scale != 'zoo' and test.clean is not None:
            methods = found.setdefault((result.protocol, result.scale), {})
            methods.setdefault(result.method, []).append(result.means[test.name]['psnr'])
    return found


def append_result(result: Result, file: Path = FILE) -> None:
    """Add a line. The file is replaced as a whole: a crash leaves the old one or the new one."""
    text = json.dumps(_rounded(asdict(result)), ensure_ascii=True, allow_nan=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Several commands may fill one file, say one on each core.
    with FileLock(f'{file}.lock'):
        before = file.read_bytes() if file.exists() else b''
        write_whole(file, before + text.encode() + b'\n')


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value
