"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[1] / 'README.md'


def test_the_python_example_runs(capsys):
    block = re.search(r'<!-- example: [^>]*-->\n```python\n(.*?)```', README.read_text(), re.DOTALL)
    exec(compile(block.group(1), 'README.md', 'exec'), {})
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_every_file_it_names_exists():
    text = README.read_text()
    named = set(re.findall(r'`(options/[\w.]+|docs/[\w.]+|tests/[\w/.]+|benchmarks/[\w.]+)`', text))
    named |= {link for link in re.findall(r'\]\(([^)]+)\)', text) if not link.startswith('http')}
    assert named
    for name in named:
        assert (README.parent / name).exists(), name


def test_the_first_screen_holds_both_commands():
    first = README.read_text().splitlines()[:30]
    assert sum(line.startswith('<!-- command: ') for line in first) == 2
