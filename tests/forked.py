"""Real processes for tests, forked from this one: everything is imported already, so they start at once."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.utils.logger import initialized_logger

CONTEXT = multiprocessing.get_context('fork') if hasattr(os, 'fork') else None

#: On Windows there is no fork; with a CUDA GPU, PyTorch's gradients do not survive one.
CAN_FORK = CONTEXT is not None and not torch.cuda.is_available()
needs_fork = pytest.mark.skipif(
    not CAN_FORK,
    reason='forks its processes; where there is a GPU, hide it: CUDA_VISIBLE_DEVICES= pytest',
)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def _run(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    logs: tuple[str, str],
    environment: dict[str, str],
    cwd: str,
) -> None:
    for stream, log in enumerate(logs, start=1):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    # The test runner has exchanged these for objects of its own.
    sys.stdout, sys.stderr = (os.fdopen(number, 'w', buffering=1, closefd=False) for number in (1, 2))
    # So do the handlers of the log, if a test has set them up: a new process has none.
    for name in (None, 'basicsr'):
        logging.getLogger(name).handlers.clear()
    initialized_logger.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    torch.set_num_threads(1)
    from cclgan_plugin.mends import distributed_start

    code = function(*arguments)
    distributed_start.leave()
    sys.exit(code if isinstance(code, int) else 0)


def start(
    function: Callable[..., Any],
    *arguments: Any,
    cwd: Path,
    log: str,
    errors: str | None = None,
    **environment: str,
) -> BaseProcess:
    """Start a process that runs ``function`` in ``cwd``; what it prints goes to the file ``log`` there.

    Its exit code is what the function returns, if that is a number. ``errors`` is another file for stderr.
    """
    assert CONTEXT is not None
    logs = str(cwd / log), str(cwd / (errors or log))
    process = CONTEXT.Process(
        target=_run, args=(function, arguments, logs, environment, str(cwd)), daemon=False
    )
    process.start()
    return process


def start_ranks(
    function: Callable[..., Any], world: int, *arguments: Any, cwd: Path, log: str = 'rank'
) -> list[BaseProcess]:
    """Start ``world`` processes as torchrun would, each with its own ``{log}{rank}.log``."""
    shared = {'WORLD_SIZE': str(world), 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free_port())}
    return [
        start(
            function,
            *arguments,
            cwd=cwd,
            log=f'{log}{rank}.log',
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            CUDA_VISIBLE_DEVICES='',
            **shared,
        )
        for rank in range(world)
    ]


def finish(processes: list[BaseProcess], timeout: float = 240) -> list[int | None]:
    """Wait for processes; their exit codes. Those that take longer are killed, and have none."""
    end = time.monotonic() + timeout
    codes = []
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        codes.append(process.exitcode)
        if process.exitcode is None:
            process.kill()
            process.join()
    return codes


def run_ranks(
    function: Callable[..., Any], world: int, *arguments: Any, cwd: Path, log: str = 'rank'
) -> None:
    """Run ``function`` in ``world`` processes together and see that all of them succeed."""
    codes = finish(start_ranks(function, world, *arguments, cwd=cwd, log=log))
    logs = '\n'.join((cwd / f'{log}{rank}.log').read_text()[-3000:] for rank in range(world))
    assert codes == [0] * world, f'exit codes {codes}\n{logs}'


def command(*arguments: str) -> int:
    """The command ``basicsr`` in this process; for :func:`start`."""
    from cclgan_plugin.cli.main import main

    return main(arguments)
