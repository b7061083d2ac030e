"""The plan of epochs agrees with iterations that are counted one by one."""

from __future__ import annotations

import pytest

from cclgan_plugin.training.epoch_plan import Dealing, EpochPlan


def counted(dealing: Dealing, start_epoch: int, start_iter: int, iterations: int) -> list[tuple[int, int]]:
    """(epoch, samples taken of it) after each iteration, as a loader that drops incomplete batches gives."""
    found, epoch, taken = [], start_epoch, dealing.taken
    step = dealing.processes * dealing.batch
    for _ in range(start_iter, start_iter + iterations):
        if taken + step > dealing.samples:
            epoch, taken = epoch + 1, 0
        taken += step
        found.append((epoch, taken))
    return found


@pytest.mark.parametrize(('processes', 'batch', 'samples'), [(1, 1, 5), (1, 2, 5), (2, 2, 10), (4, 1, 4)])
@pytest.mark.parametrize('share', [0, 1, 2])
@pytest.mark.parametrize(('epoch', 'iteration'), [(0, 0), (3, 17)])
def test_epochs_and_samples(
    processes: int, batch: int, samples: int, share: int, epoch: int, iteration: int
) -> None:
    taken = min(share * processes, samples // processes * processes)
    plan = EpochPlan(Dealing(processes, batch, samples, taken), epoch, iteration)
    expected = counted(plan.dealing, epoch, iteration, 23)
    for number, (in_epoch, used) in enumerate(expected, iteration + 1):
        assert plan.epoch_of(number) == in_epoch
        assert plan.dealing_after(number) == Dealing(processes, batch, samples, used)


def test_differences_are_named() -> None:
    then, now = Dealing(2, 1, 10, 4), Dealing(1, 3, 10, 6)
    assert then.differences(now) == ['2 process(es) then, 1 now', '1 images a batch then, 3 now']
    assert then.differences(Dealing(2, 1, 10)) == []
