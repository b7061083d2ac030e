"""Whatever moment a process is killed in, the run goes on from its last whole state to the same bits."""

import os

import pytest
from kill_storm import storm


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='forks its processes, and kills as POSIX does')
def test_thirty_kills(tmp_path):
    assert storm(tmp_path, kills=30, seed=0) >= 1
