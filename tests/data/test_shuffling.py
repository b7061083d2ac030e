"""Every image of a side is used before any comes again, in an order that is new in every epoch."""

from __future__ import annotations

from cclgan_plugin.data.shuffling import shuffled_index


def _epoch(count: int, positions: int, seed: int = 0, purpose: str = 'lq', epoch: int = 0) -> list[int]:
    return [shuffled_index(count, seed, purpose, epoch, position) for position in range(positions)]


def test_each_round_is_a_permutation() -> None:
    order = _epoch(7, 21)
    rounds = [order[start : start + 7] for start in (0, 7, 14)]
    assert all(sorted(part) == list(range(7)) for part in rounds)
    assert rounds[0] != rounds[1] != rounds[2]


def test_epochs_seeds_and_sides_have_their_own_order() -> None:
    orders = [_epoch(50, 50), _epoch(50, 50, epoch=1), _epoch(50, 50, seed=1), _epoch(50, 50, purpose='gt')]
    assert len({tuple(order) for order in orders}) == 4


def test_any_position_can_be_asked_for_first() -> None:
    assert shuffled_index(7, 0, 'lq', 0, 20) == _epoch(7, 21)[20]
