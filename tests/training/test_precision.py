"""Autocast and gradient scaling: real half precision on the CPU."""

import pytest
import torch

from cclgan_plugin.errors import OptionError
from cclgan_plugin.training.finite_guard import FiniteGuard
from cclgan_plugin.training.precision import Precision

CPU = torch.device('cpu')


def test_another_word_is_refused_with_the_nearest_right_one():
    with pytest.raises(OptionError, match=r'train\.amp: must be one of off, bf16, fp16, got "bf_16".*bf16'):
        Precision('bf_16', CPU)


@pytest.mark.parametrize(('amp', 'dtype'), [('off', None), ('bf16', torch.bfloat16), ('fp16', torch.float16)])
def test_products_run_in_the_precision_asked_for(amp, dtype):
    with Precision(amp, CPU).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (dtype or torch.float32)


def learner():
    weight = torch.nn.Parameter(torch.ones(3))
    return weight, torch.optim.SGD([weight], lr=0.5)


@pytest.mark.parametrize('amp', ['off', 'bf16', 'fp16'])
def test_gradients_have_their_true_size(amp):
    precision = Precision(amp, CPU)
    weight, optimizer = learner()
    precision.backward((2 * weight).sum() + weight.sum(), 'G')
    precision.unscale([optimizer], 'G')
    torch.testing.assert_close(weight.grad, torch.full((3,), 3.0))
    precision.step([optimizer], 'G')
    torch.testing.assert_close(weight.detach(), torch.full((3,), -0.5))


def test_an_overflow_under_fp16_skips_one_step_and_halves_one_scale():
    precision = Precision('fp16', CPU)
    weight, optimizer = learner()
    precision.scaler('D').scale(torch.ones(()))
    precision.backward(weight.sum() * float('inf'), 'G')
    precision.step([optimizer], 'G')
    torch.testing.assert_close(weight.detach(), torch.ones(3))
    assert precision.scaler('G').get_scale() == precision.scaler('D').get_scale() / 2


def test_scales_survive_a_resume():
    first = Precision('fp16', CPU)
    weight, optimizer = learner()
    first.backward(weight.sum() * float('inf'), 'G')
    first.step([optimizer], 'G')
    second = Precision('fp16', CPU)
    second.load_state_dict(first.state_dict())
    assert second.scaler('G').get_scale() == first.scaler('G').get_scale() != 65536.0
    assert Precision('bf16', CPU).state_dict() == {}


@pytest.mark.parametrize('amp', ['off', 'bf16', 'fp16'])
@pytest.mark.parametrize('skip', [False, True])
def test_what_the_guard_says_of_the_iteration_holds_in_every_precision(amp, skip):
    """The gradients of this update are sound: it was the other update that was not."""
    precision, guard = Precision(amp, CPU), FiniteGuard(limit=9, deferred=True)
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=0.5, fused=True)
    for iteration in (1, 2):  # the second time, what the first has left behind would be seen
        before = weight.detach().clone()
        guard.begin()
        bad = skip and iteration == 1
        guard.check(['l_d'], torch.tensor([float('nan') if bad else 1.0]), iteration, [])
        precision.backward(weight.sum(), 'G')
        guard.check(['l_g'], torch.ones(1), iteration, [optimizer])
        precision.step([optimizer], 'G')
        assert torch.equal(weight.detach(), before) is bad
    assert precision.scaler('G').get_scale() == Precision(amp, CPU).scaler('G').get_scale()
