"""Several steps in a row: what steps when, on what, and by how much."""

from __future__ import annotations

import torch

from . import reference_training
from .networks import discriminator, generator
from .samples import TinyEncoder, image, make_locations, make_nets, make_options


def test_two_steps_with_the_methods_initialisation_are_finite_and_move_every_weight() -> None:
    nets = make_nets(gain=0.02, bias_std=0.0)
    batches = [
        {'r': image(seed=i), 'c': image(seed=10 + i), 'locations': make_locations(seed=i)} for i in range(2)
    ]
    records, final = reference_training(nets, make_options(), batches, [TinyEncoder()])
    assert len(records) == 2
    for record in records:
        assert set(record.gradients) == set(nets)
        assert all(torch.isfinite(loss) for loss in record.losses.values())
        for state in record.gradients.values():
            assert all(g.dtype == torch.float64 and torch.isfinite(g).all() for g in state.values())
    # a norm cancels conv4's bias; while all logits lie within the hinge, real and fake cancel conv5's
    still = {(net, f'conv{i}.bias') for net in ('d', 'd_rain') for i in (4, 5)}
    for net, state in final.items():
        for name, tensor in state.items():
            assert (net, name) in still or not torch.equal(tensor, nets[net][name]), (net, name)


def test_the_discriminators_step_first_and_the_generators_see_them_updated() -> None:
    nets, options, r, c = make_nets(), make_options(), image(), image(seed=1)
    batch = {'r': r, 'c': c, 'locations': make_locations()}
    (record,), final = reference_training(nets, options, [batch], [TinyEncoder()])
    fakes = {'d': generator(nets['g'], r, {}), 'd_rain': generator(nets['g_rain'], c, {})}
    for net, name in (('d', 'l_g_gan'), ('d_rain', 'l_g_gan_rain')):
        after = -0.5 * discriminator(final[net], fakes[net], {}).mean()
        before = -0.5 * discriminator(nets[net], fakes[net], {}).mean()
        torch.testing.assert_close(record.losses[name], after, rtol=1e-12, atol=1e-12)
        assert abs(after - before) > 1e-6


def test_adams_first_step_is_the_learning_rate_against_the_gradients_sign() -> None:
    nets = make_nets()
    batch = {'r': image(), 'c': image(seed=1), 'locations': make_locations()}
    (record,), final = reference_training(nets, make_options(), [batch], [TinyEncoder()])
    for net, name, rate in (
        ('g', 'out.conv.weight', 2e-4),
        ('d_rain', 'conv5.weight', 2e-4),
        ('h', 'mlps.down1.2.weight', 1e-3),
    ):
        gradient = record.gradients[net][name]
        expected = nets[net][name] - rate * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(final[net][name], expected, rtol=1e-12, atol=1e-12)


def test_generators_step_when_basicsr_says_so() -> None:
    options = make_options(
        net_d_iters=2, net_d_init_iters=2, lcl_opt=None, intra_ccl_opt=None, inter_ccl_opt=None
    )
    nets = {net: state for net, state in make_nets().items() if not net.startswith('h')}
    batch = {'r': image(), 'c': image(seed=1)}
    records, _ = reference_training(nets, options, [batch] * 5)
    assert ['g' in record.gradients for record in records] == [False, False, False, True, False]
    assert all('d' in record.gradients for record in records)
