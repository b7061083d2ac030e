"""A decision's random numbers follow from what it is, and from nothing else."""

from __future__ import annotations

import os

from cclgan_plugin.data.randomness import generator
from cclgan_plugin.seeds import derive_seed


def test_the_same_decision_gets_the_same_numbers() -> None:
    assert generator(3, 'crop', 1, 2).random() == generator(3, 'crop', 1, 2).random()


def test_other_decisions_get_other_numbers() -> None:
    decisions = [(0, 'crop'), (1, 'crop'), (0, 'flip'), (0, 'crop', 0), (0, 'crop', 1, 2), (0, 'crop', 12)]
    assert len({generator(*decision).random() for decision in decisions}) == len(decisions)


def test_a_file_name_that_is_not_utf_8_gets_numbers_and_others_keep_theirs() -> None:
    names = [os.fsdecode(raw) for raw in (b'caf\xe9.png', 'café.png'.encode(), b'cafe.png')]
    assert len({generator(0, f'rain {name}').random() for name in names}) == 3
    assert derive_seed(0, 'rain café.png') == 113675857039198049
