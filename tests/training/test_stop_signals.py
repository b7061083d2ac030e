"""A signal in a validation; whole runs that get one are in tests/cli/test_faults.py and test_resume.py."""

from types import SimpleNamespace

import pytest

from cclgan_plugin.training import stop_signals
from cclgan_plugin.training.distributed import ending_together
from cclgan_plugin.training.stop_signals import Stopped, StopSignals

OPT = {'train': {'total_iter': 6}, 'path': {'training_states': 'states'}}


def model(**methods):
    """One whose steps and pictures do nothing."""
    return SimpleNamespace(optimize_parameters=lambda current_iter: None, **methods)


@pytest.fixture
def signals():
    found = StopSignals()
    yield found
    found.restore()


def after_a_signal(signals, iteration):
    """A model that a signal has reached after an iteration."""
    watched = model(test=lambda: 'derained')
    signals.watch(watched, OPT)
    watched.optimize_parameters(iteration)
    signals.asked = 15
    return watched


def test_the_next_image_is_not_derained(signals):
    watched = after_a_signal(signals, 4)
    with pytest.raises(Stopped, match='SIGTERM after iteration 4; its state is saved in states'):
        watched.test()


def test_after_the_last_iteration_nothing_is_left_to_save(signals):
    assert after_a_signal(signals, 6).test() == 'derained'


def test_a_model_that_validates_in_its_own_way_on_several_processes_goes_on(signals, monkeypatch):
    """The others would wait for it, and nobody could save."""
    watched = after_a_signal(signals, 4)
    monkeypatch.setattr(stop_signals, 'is_distributed', lambda: True)
    assert watched.test() == 'derained'
    token = ending_together.set(True)
    with pytest.raises(Stopped):
        watched.test()
    ending_together.reset(token)


def test_a_model_without_test(signals):
    watched = model()
    signals.watch(watched, OPT)
    assert not hasattr(watched, 'test')
