"""The command ``python benchmarks/precision_drift.py``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import precision_drift
from benchmarks.modes import Mode
from benchmarks.step_recipes import Setting

TINY = Setting(size=32, width=4, blocks=1, encoder='none')


def test_bfloat16_begins_where_float32_begins() -> None:
    """To the precision of bfloat16, and not to that of float32."""
    plain, halves = (precision_drift.curves(TINY, mode, 1, 2) for mode in (Mode(), Mode(bf16=True)))
    assert plain.keys() == halves.keys()
    for name, curve in plain.items():
        assert curve.shape == (2,)
        torch.testing.assert_close(halves[name][0], curve[0], rtol=0.02, atol=1e-3)
    assert any(not torch.equal(halves[name], plain[name]) for name in plain)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / 'page.md'
    page.write_text('<!-- precision table: begin -->\n<!-- precision table: end -->\n')
    options = ['--steps=2', '--size=32', '--width=4', '--blocks=1', '--encoder=none', '--seeds=2']
    # Activations that are computed again are the same.
    assert precision_drift.main([*options, '--modes=checkpointing', f'--readme={page}']) == 0
    row = next(line for line in page.read_text().splitlines() if line.startswith('| l_idt '))
    *_, by_seed, by_mode, _ = (cell.strip() for cell in row.split('|'))
    assert by_mode == '0.0000 .. 0.0000, 0.0000'
    assert by_seed > by_mode
    assert row in capsys.readouterr().out

    assert precision_drift.main([*options, '--modes=checkpointing', '--first-seed=2']) == 0
    others = capsys.readouterr().out
    assert ', seeds 2 to 3, on cpu' in others
    assert row not in others.splitlines()

    with pytest.raises(SystemExit):
        precision_drift.main(['--seeds=1'])
    assert '--seeds must be at least 2, got 1' in capsys.readouterr().err
