"""Results come in order, only a few are made ahead, and an error comes in its turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cclgan_plugin.data.ordered_work import in_order


def test_results_are_in_order_whoever_is_first() -> None:
    def slow_if_even(number: int) -> int:
        time.sleep(0.002 * (number % 2 == 0))
        return number * number

    assert list(in_order(slow_if_even, range(40), 4)) == [number * number for number in range(40)]


def test_more_than_one_thread_works() -> None:
    barrier = threading.Barrier(3, timeout=20)
    assert list(in_order(lambda _: barrier.wait() >= 0, range(6), 3)) == [True] * 6


def test_only_a_few_items_are_taken_ahead() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = in_order(lambda number: number, endless(), 2)
    assert [next(results) for _ in range(10)] == list(range(1, 11))
    assert taken <= 30
    results.close()


def test_an_error_comes_in_its_turn() -> None:
    def refuse_three(number: int) -> int:
        if number == 3:
            raise ValueError('three')
        return number

    results = in_order(refuse_three, range(10), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match='three'):
        next(results)


def test_nothing_to_do() -> None:
    assert list(in_order(str, [])) == []
