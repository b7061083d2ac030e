"""Every script of the folder starts from the shell, where nothing of it has been imported before."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from forked import finish, needs_fork, start

pytestmark = needs_fork

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'benchmarks'
COMMANDS = sorted(file for file in FOLDER.glob('*.py') if "__name__ == '__main__'" in file.read_text())
OURS = ('benchmarks', 'reference')


def show_help(file: Path) -> None:
    """What ``python FILE --help`` does, but for what it takes to import PyTorch."""
    for name in [name for name in sys.modules if name.partition('.')[0] in OURS]:
        del sys.modules[name]
    sys.path[:] = [str(FOLDER), *(p for p in sys.path if not Path(p or '.').resolve().is_relative_to(ROOT))]
    sys.argv = [str(file), '--help']
    runpy.run_path(str(file), run_name='__main__')


@pytest.mark.parametrize('file', COMMANDS, ids=lambda file: file.stem)
def test_help(file: Path, tmp_path: Path) -> None:
    assert finish([start(show_help, file, cwd=tmp_path, log='help.log')]) == [0]
    assert 'usage:' in (tmp_path / 'help.log').read_text()
