"""Telling whether a machine was started anew, and what it had not yet written to its disk is gone."""

from __future__ import annotations

_BOOT_ID = '/proc/sys/kernel/random/boot_id'


def this_boot() -> str | None:
    """A text that each start of the machine changes; None where the system has none (other than Linux).

    It says nothing of a disk that was pulled out, or of a file server that was started anew by itself.
    """
    try:
        with open(_BOOT_ID, encoding='ascii') as file:
            return file.read().strip() or None
    except OSError:
        return None
