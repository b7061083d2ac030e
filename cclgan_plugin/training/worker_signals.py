"""Signals in the workers of a loader, which a scheduler sends to all processes of a run alike."""

from __future__ import annotations

import os
import signal
import threading


def leave_stopping_to_parent() -> None:
    """Leave it to the main process to stop, which finishes its step first and ends the workers itself.

    SIGINT (a terminal's Ctrl-C goes to workers as well) and SIGUSR1 are ignored, and so is SIGTERM unless it
    comes from the main process itself. To be called in a worker, before it starts threads of its own.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, 'SIGUSR1'):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if not hasattr(signal, 'sigwaitinfo'):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_wait_for_parent, args=(os.getppid(),), daemon=True).start()


def _wait_for_parent(parent: int) -> None:
    # A handler would not learn who has sent the signal.
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
