"""How much memory the control groups of this process still allow: of a container, of Slurm, of systemd."""

from __future__ import annotations

from pathlib import Path

_MOUNT = Path('/sys/fs/cgroup')
_MEMBERSHIP = Path('/proc/self/cgroup')

#: Of version 2 and 1 of control groups: limit, what is used, and how much of that are files held in memory,
#: which the kernel gives up when the memory is wanted.
_V2 = ('memory.max', 'memory.current', ('inactive_file', 'active_file'))
_V1 = ('memory.limit_in_bytes', 'memory.usage_in_bytes', ('total_inactive_file', 'total_active_file'))


def left_in_container() -> int | None:
    """Bytes that the tightest group allows besides what is used already; None = no group has a limit."""
    left = [
        room
        for mount, path, names in _groups()
        # A group is bounded by those around it, too. In a container the path may be the host's, of which only
        # the end, the mount, is seen.
        for folder in (mount / path, *(mount / path).parents)
        if folder.is_relative_to(mount) and (room := _room(folder, *names)) is not None
    ]
    return min(left, default=None)


def _groups() -> list[tuple[Path, str, tuple[str, str, tuple[str, ...]]]]:
    """Where each version is mounted, this process's group below that, and the names of the files there."""
    found: list[tuple[Path, str, tuple[str, str, tuple[str, ...]]]] = []
    for line in _lines(_MEMBERSHIP):
        number, controllers, path = [*line.split(':', 2), '', ''][:3]
        path = path.strip('/')
        if '..' in path.split('/'):  # a group above the root that is seen here
            path = ''
        if number == '0':
            found.append((_MOUNT, path, _V2))
        elif 'memory' in controllers.split(','):
            found.append((_MOUNT / 'memory', path, _V1))
    return found


def _room(group: Path, limit: str, used: str, files: tuple[str, ...]) -> int | None:
    try:
        allowed = int((group / limit).read_text('ascii'))
        taken = int((group / used).read_text('ascii'))
    except (OSError, ValueError):  # no such group, or "max"
        return None
    table = dict(line.split(maxsplit=1) for line in _lines(group / 'memory.stat'))
    return max(0, allowed - taken + sum(int(table.get(name, 0)) for name in files))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text('utf-8', errors='replace').splitlines()
    except OSError:
        return []
