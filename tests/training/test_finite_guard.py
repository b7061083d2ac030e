"""The guard: names the term and the iteration, and lets no bad step be taken."""

import pytest
import torch

from cclgan_plugin.training.finite_guard import FiniteGuard, NonFiniteLoss


def parameter(gradient):
    p = torch.nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor(gradient)
    return p


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_a_bad_loss_is_named_with_its_iteration(value):
    losses = {'l_idt': torch.tensor(1.0), 'l_lcl': torch.tensor(value)}
    with pytest.raises(NonFiniteLoss, match=r'l_lcl is .* at iteration 12') as caught:
        FiniteGuard().check(losses, [parameter([0.0, 1.0])], 12, [])
    assert (caught.value.term, caught.value.iteration) == ('l_lcl', 12)


def test_a_bad_gradient_of_good_losses_is_named():
    with pytest.raises(NonFiniteLoss, match='the gradient is nan at iteration 3'):
        FiniteGuard().check({'l_idt': torch.tensor(1.0)}, [parameter([0.0, float('nan')])], 3, [])


def test_good_steps_pass():
    guard = FiniteGuard()
    for iteration in range(20):
        guard.check({'l_idt': torch.tensor(1e30)}, [parameter([0.0, 1.0])], iteration, [])
    guard.flush()
