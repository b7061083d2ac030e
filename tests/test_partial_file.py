"""Files that are not finished: whose they are, and when they are left over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cclgan_plugin.partial_file import partial_path, remove_left_overs

REMOVE = """
import sys
from cclgan_plugin.partial_file import partial_path, remove_left_overs

remove_left_overs([sys.argv[1]])
print(partial_path(sys.argv[1] + '/b.png'))
"""


def test_a_container_leaves_what_another_one_writes(tmp_path: Path) -> None:
    """Two of one host name share a folder; neither can look up the other's processes."""
    unshare = shutil.which('unshare')
    if not unshare or subprocess.run([unshare, '--pid', '--fork', 'true'], check=False).returncode:
        pytest.skip('this system makes no process namespaces')
    mine = Path(partial_path(tmp_path / 'a.png'))
    mine.touch()
    other = subprocess.run(
        [unshare, '--pid', '--fork', sys.executable, '-c', REMOVE, str(tmp_path)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert mine.exists(), 'the file of a process that lives, in the other container'
    # What that one leaves, once it is gone, is for its own kind to remove.
    theirs = Path(other.stdout.strip())
    theirs.touch()
    remove_left_overs([str(tmp_path)])
    assert theirs.exists()
