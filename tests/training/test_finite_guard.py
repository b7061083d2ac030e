"""The guard: names the term and the iteration, counts, and lets no bad step be taken."""

import logging

import pytest
import torch

from cclgan_plugin.training.finite_guard import FiniteGuard, largest_gradient


def parameter(gradient):
    p = torch.nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor(gradient)
    return p


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_a_bad_loss_is_named_with_its_iteration(value, caplog):
    guard = FiniteGuard()
    logging.getLogger('basicsr').addHandler(caplog.handler)
    try:
        assert not guard.check(['l_idt', 'l_lcl'], torch.tensor([1.0, value]), 12, [])
    finally:
        logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert (guard.last.term, guard.last.iteration) == ('l_lcl', 12)
    assert f'l_lcl is {value} at iteration 12; the iteration is skipped, 1 so far' in caplog.text


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_a_bad_gradient_is_seen(value):
    assert not torch.isfinite(largest_gradient([parameter([0.0, 1.0]), parameter([0.0, value])]))
    assert largest_gradient([parameter([0.0, -3e38]), parameter([2.0, 1.0])]) == 3e38


def test_good_steps_pass():
    guard = FiniteGuard()
    for iteration in range(20):
        assert guard.check(['l_idt'], torch.tensor([1e30]), iteration, [])
    assert guard.skipped == 0


def test_iterations_are_counted_once_and_up_to_the_limit():
    guard = FiniteGuard(limit=2)
    bad = torch.tensor([float('nan')])
    for iteration, exhausted in ((3, False), (8, False), (9, True)):
        guard.check(['l_d'], bad, iteration, [])
        guard.check(['l_g_gan'], bad, iteration, [])
        assert guard.exhausted is exhausted
    assert guard.skipped == 3


def test_a_deferred_check_looks_at_what_the_values_were():
    """It asks for them at once, so that it need not wait for what the device is given afterwards."""
    guard = FiniteGuard(limit=1, deferred=True)
    values = torch.tensor([float('nan')])
    assert guard.check(['l_d'], values, 3, [])
    values.fill_(1.0)
    guard.flush()
    assert (guard.skipped, guard.last.iteration) == (1, 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
def test_a_deferred_check_never_makes_the_host_wait_for_the_whole_queue():
    guard = FiniteGuard(deferred=True)
    values = torch.ones(3, device='cuda')
    torch.cuda.set_sync_debug_mode('error')
    try:
        for iteration in range(20):
            guard.check(['l_d', 'l_g_gan', 'l_idt'], values, iteration, [])
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert guard.skipped == 0
