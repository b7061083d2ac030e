"""The benchmark of the data reads what it says it reads, and reports it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data_files import FORMATS, STORES, write_files
from benchmarks.data_readers import BASICSR, BATCH, CROP, DECODING, OURS, PIL, READERS, make_loader

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('files')
    write_files(root, BATCH)
    return root


@pytest.mark.parametrize('reader', READERS)
@pytest.mark.parametrize('store', STORES)
@pytest.mark.parametrize('kind', FORMATS)
def test_every_reader_gives_crops_of_the_same_size(files: Path, reader: str, store: str, kind: str) -> None:
    loader = make_loader(reader, files, store, kind, 0)
    if loader is None:
        assert store == 'lmdb'
        assert reader in (DECODING, PIL)
        return
    (batch,) = list(loader)
    if reader == DECODING:
        return
    for key in ('A', 'B') if reader == PIL else ('lq', 'gt'):
        assert batch[key].shape == (BATCH, 3, CROP, CROP)
        assert np.ptp(batch[key].numpy()) > 0


def test_the_command_reports_all_readers_and_writes_every_number(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- data table: begin -->\n<!-- data table: end -->\nafter\n')
    words = [
        '--images',
        '4',
        '--rounds',
        '1',
        '--epochs',
        '2',
        '--workers',
        '--json',
        str(tmp_path / 'r.json'),
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / 'benchmarks' / 'data.py'), *words, '--readme', str(page)],
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    for reader in (DECODING, *OURS, BASICSR, PIL):
        assert f'| {reader}' in done.stdout
    assert done.stdout.strip() in page.read_text()
    found = json.loads((tmp_path / 'r.json').read_text())
    assert set(found['speeds']) == {f'{kind} {store} 0' for kind in FORMATS for store in STORES}
    assert {what: set(speeds) for what, speeds in found['building'].items()} == {
        'noise': {'disk', 'encoder'},
        'photographs': {'disk', 'encoder'},
    }
    assert all(len(series) == 2 for series in found['memory'].values())
