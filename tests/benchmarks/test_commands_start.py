"""Every script of the folder starts from the shell, where nothing has been imported before it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / 'benchmarks'
COMMANDS = sorted(file for file in FOLDER.glob('*.py') if "__name__ == '__main__'" in file.read_text())


@pytest.mark.parametrize('file', COMMANDS, ids=lambda file: file.stem)
def test_help(file: Path) -> None:
    run = subprocess.run([sys.executable, file, '--help'], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert 'usage:' in run.stdout
