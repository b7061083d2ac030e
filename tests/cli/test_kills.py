"""Whatever moment a process is killed in, the run goes on from its last whole state to the same bits."""

import pytest
from forked import needs_fork
from kill_storm import storm


@pytest.mark.slow
@needs_fork
def test_thirty_kills(tmp_path):
    assert storm(tmp_path, kills=30, seed=0) >= 1
