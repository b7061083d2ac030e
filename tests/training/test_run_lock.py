"""The claim on an experiment's folder where locks do not work as they should."""

import errno
import fcntl
import os
import signal

import pytest
from forked import needs_fork, start

from cclgan_plugin.errors import OptionError
from cclgan_plugin.training import run_lock


@pytest.mark.parametrize('number', [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_lets_every_run_begin(tmp_path, monkeypatch, number):
    def flock(handle, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, 'flock', flock)
    run_lock.claim(tmp_path / 'run')
    assert (tmp_path / 'run').resolve() not in run_lock._held


def hold(folder, held):
    run_lock.claim(folder)
    held.touch()
    signal.pause()


@needs_fork
def test_what_a_killed_run_leaves_behind_claims_nothing(tmp_path, monkeypatch):
    held = tmp_path / 'held'
    holder = start(hold, tmp_path / 'run', held, cwd=tmp_path, log='log')
    while not held.exists():
        assert holder.is_alive()
        holder.join(0.01)
    monkeypatch.setattr(run_lock, 'PATIENCE', 0.1)
    with pytest.raises(OptionError, match=r'is going on in .*/run; .*it holds .*/\.run\.lock'):
        run_lock.claim(tmp_path / 'run')
    holder.kill()
    holder.join()
    assert (tmp_path / '.run.lock').exists()
    run_lock.claim(tmp_path / 'run')
