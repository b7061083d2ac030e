"""The memory that control groups allow, on trees of files as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cclgan_plugin.inference import container_memory
from cclgan_plugin.inference.container_memory import left_in_container

GIB = 2**30


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(container_memory, '_MOUNT', tmp_path / 'mount')
    monkeypatch.setattr(container_memory, '_MEMBERSHIP', tmp_path / 'membership')
    (tmp_path / 'mount').mkdir()
    return tmp_path


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace('memory_', 'memory.', 1)).write_text(f'{content}\n')


def test_files_held_in_memory_count_as_free(tree: Path) -> None:
    """A container that has read many photographs is full of them, and yet has room."""
    (tree / 'membership').write_text('0::/\n')
    stat = f'anon {GIB}\nfile {2 * GIB}\ninactive_file {GIB}\nactive_file {GIB // 2}\nshmem 0'
    group(tree / 'mount', memory_max=4 * GIB, memory_current=4 * GIB - 4096, memory_stat=stat)
    assert left_in_container() == GIB * 3 // 2 + 4096


def test_the_tightest_of_the_groups_around_counts(tree: Path) -> None:
    (tree / 'membership').write_text('0::/slurm/job_7/step_0\n')
    group(tree / 'mount/slurm', memory_max=64 * GIB, memory_current=60 * GIB)
    group(tree / 'mount/slurm/job_7', memory_max=8 * GIB, memory_current=6 * GIB)
    group(tree / 'mount/slurm/job_7/step_0', memory_max='max', memory_current=GIB)
    assert left_in_container() == 2 * GIB


def test_version_1_whose_path_is_the_hosts(tree: Path) -> None:
    (tree / 'membership').write_text('9:cpu:/\n4:hugetlb,memory:/docker/abc\n0::/\n')
    group(
        tree / 'mount/memory',
        memory_limit_in_bytes=3 * GIB,
        memory_usage_in_bytes=2 * GIB,
        memory_stat=f'inactive_file 0\ntotal_inactive_file {GIB // 2}\ntotal_active_file 0',
    )
    assert left_in_container() == GIB * 3 // 2


@pytest.mark.parametrize('membership', ['', '0::/\n', '0::/../..\n', 'nonsense\n', None])
def test_no_limit(tree: Path, membership: str | None) -> None:
    if membership is not None:
        (tree / 'membership').write_text(membership)
    group(tree / 'mount', memory_max='max', memory_current=GIB)
    group(tree, memory_max=1, memory_current=1)  # above the mount: not looked at
    assert left_in_container() is None


def test_never_less_than_nothing(tree: Path) -> None:
    (tree / 'membership').write_text('0::/\n')
    group(tree / 'mount', memory_max=GIB, memory_current=GIB + 4096)
    assert left_in_container() == 0


def test_this_process_can_be_asked() -> None:
    left = left_in_container()
    assert left is None or left > 0
