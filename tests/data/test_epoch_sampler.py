"""The order of an epoch does not depend on how many processes share it."""

from __future__ import annotations

import pytest

from cclgan_plugin.data.epoch_sampler import EpochSampler, SampleKey


@pytest.mark.parametrize('world', [1, 2, 3])
def test_the_ranks_together_deal_out_what_one_process_does(world: int) -> None:
    ranks = [EpochSampler(12, world, rank) for rank in range(world)]
    for sampler in ranks:
        sampler.set_epoch(3)
    dealt = [key for keys in zip(*ranks, strict=True) for key in keys]
    assert dealt == [SampleKey(3, position) for position in range(12)]


@pytest.mark.parametrize(
    ('length', 'world', 'ratio', 'samples'), [(10, 1, 1, 10), (10, 4, 1, 3), (10, 2, 2.5, 13)]
)
def test_ranks_get_equally_many_samples(length: int, world: int, ratio: float, samples: int) -> None:
    for rank in range(world):
        sampler = EpochSampler(length, world, rank, ratio)
        assert len(sampler) == len(list(sampler)) == samples


def test_an_interrupted_epoch_goes_on_where_it_was_and_the_next_is_whole() -> None:
    sampler = EpochSampler(10, 2, 1)
    sampler.resume_at(epoch=4, taken=3)
    sampler.set_epoch(4)
    assert list(sampler) == [SampleKey(4, 7), SampleKey(4, 9)]
    sampler.set_epoch(5)
    assert len(list(sampler)) == 5


@pytest.mark.parametrize('arguments', [(10, 2, 2), (10, 2, -1), (0, 1, 0), (10, 1, 0, 0)])
def test_impossible_arguments_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r'rank|empty'):
        EpochSampler(*arguments)


def test_more_samples_than_an_epoch_has_cannot_have_been_used() -> None:
    with pytest.raises(ValueError, match='11 samples of an epoch of 10'):
        EpochSampler(10).resume_at(0, 11)
