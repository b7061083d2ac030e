"""A decision's random numbers follow from what it is, and from nothing else."""

from __future__ import annotations

from cclgan_plugin.data.randomness import generator


def test_the_same_decision_gets_the_same_numbers() -> None:
    assert generator(3, 'crop', 1, 2).random() == generator(3, 'crop', 1, 2).random()


def test_other_decisions_get_other_numbers() -> None:
    decisions = [(0, 'crop'), (1, 'crop'), (0, 'flip'), (0, 'crop', 0), (0, 'crop', 1, 2), (0, 'crop', 12)]
    assert len({generator(*decision).random() for decision in decisions}) == len(decisions)
