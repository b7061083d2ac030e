"""What is written is brought to the disk while more is written, and no failure of that is passed over."""

from __future__ import annotations

import threading

import pytest

from cclgan_plugin.data.flush_behind import FlushBehind


def test_it_flushes_as_often_as_so_much_was_written_and_at_the_end() -> None:
    flushed = threading.Semaphore(0)
    behind = FlushBehind(flushed.release, 10)
    behind.wrote(9)
    assert not flushed.acquire(timeout=0.05)
    behind.wrote(1)
    assert flushed.acquire(timeout=10)
    behind.wrote(1)
    behind.finish()
    assert flushed.acquire(blocking=False)
    behind.finish()
    assert not flushed.acquire(blocking=False)


def test_what_is_written_during_a_flush_gets_one_more() -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    order = []

    def flush() -> None:
        begun.release()
        assert go_on.wait(10)
        order.append('flushed')

    behind = FlushBehind(flush, 1)
    behind.wrote(1)
    assert begun.acquire(timeout=10)
    behind.wrote(1)  # returns, although the disk is busy
    order.append('written')
    go_on.set()
    behind.finish()
    assert order[0] == 'written'
    assert order.count('flushed') >= 2


def test_its_error_comes_out_where_one_writes_and_where_one_ends() -> None:
    failed = threading.Event()

    def flush() -> None:
        failed.set()
        raise OSError('the disk is gone')

    behind = FlushBehind(flush, 1)
    behind.wrote(1)
    assert failed.wait(10)
    behind._thread.join(10)
    with pytest.raises(OSError, match='the disk is gone'):
        behind.wrote(1)
    for _ in range(2):
        with pytest.raises(OSError, match='the disk is gone'):
            behind.finish()
