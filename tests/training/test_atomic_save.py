"""A checkpoint is written completely or not at all, and its bytes depend on its content alone."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.training.atomic_save import atomic_torch_save

ROOT = Path(__file__).parents[2]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    content = {'weights': torch.arange(6.0).reshape(2, 3), 'iter': 7, 'notes': ['a', 1.5, None]}
    atomic_torch_save(content, tmp_path / 'a.pth')
    loaded = torch.load(tmp_path / 'a.pth', weights_only=True)
    assert torch.equal(loaded.pop('weights'), content.pop('weights'))
    assert loaded == content
    assert [path.name for path in tmp_path.iterdir()] == ['a.pth']


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As shared folders of virtual machines refuse it; the file is whole. A full disk is another matter."""
    fsync = os.fsync

    def refuse(code: int) -> Callable[[int], None]:
        def sync(handle: int) -> None:
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                raise OSError(code, os.strerror(code))
            fsync(handle)

        return sync

    monkeypatch.setattr(os, 'fsync', refuse(errno.EINVAL))
    atomic_torch_save({'a': 1}, tmp_path / 'a.pth')
    assert torch.load(tmp_path / 'a.pth') == {'a': 1}
    monkeypatch.setattr(os, 'fsync', refuse(errno.EIO))
    with pytest.raises(TrainingError, match='Input/output error'):
        atomic_torch_save({'a': 2}, tmp_path / 'b.pth')


def test_bytes_do_not_depend_on_the_name(tmp_path: Path) -> None:
    for name in ('a.pth', 'another_name.pth'):
        atomic_torch_save({'a': torch.ones(3)}, tmp_path / name)
    assert (tmp_path / 'a.pth').read_bytes() == (tmp_path / 'another_name.pth').read_bytes()
    for name in ('a.pth', 'another_name.pth'):
        torch.save({'a': torch.ones(3)}, tmp_path / name)
    assert (tmp_path / 'a.pth').read_bytes() != (tmp_path / 'another_name.pth').read_bytes()


FULL_DISK = """
import resource, signal, sys, torch
from cclgan_plugin.errors import TrainingError
from cclgan_plugin.training.atomic_save import atomic_torch_save

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))  # what a full disk is to a writer
for size in (20_000, 200_000):
    try:
        atomic_torch_save({'a': torch.zeros(size)}, sys.argv[1])
    except TrainingError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='limits the size of files as POSIX does')
def test_a_write_that_fails_half_way_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    atomic_torch_save({'a': torch.ones(3)}, path)
    before = path.read_bytes()
    result = subprocess.run(
        [sys.executable, '-c', FULL_DISK, str(path)],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.stdout.count(f'Cannot save {path}: File too large') == 2, result.stderr
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys, torch
from cclgan_plugin.training.atomic_save import atomic_torch_save

os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
atomic_torch_save({'a': torch.zeros(10)}, sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='kills as POSIX does')
def test_a_kill_while_saving_leaves_the_older_file_whole(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    atomic_torch_save({'a': torch.ones(3)}, path)
    before = path.read_bytes()
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    result = subprocess.run([sys.executable, '-c', KILLED, str(path)], env=environment, timeout=300)
    assert result.returncode == -signal.SIGKILL
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r'Cannot save .*none/a\.pth: No such file or directory'):
        atomic_torch_save({}, tmp_path / 'none' / 'a.pth')


def test_a_defect_of_the_caller_keeps_its_own_error(tmp_path: Path) -> None:
    with pytest.raises((AttributeError, TypeError, RuntimeError), match='pickle'):
        atomic_torch_save({'a': (part for part in ())}, tmp_path / 'a.pth')
    assert not list(tmp_path.iterdir())
