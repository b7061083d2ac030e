"""The step against the formulas of the method written out, and by its symmetries, averages and slopes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from . import reference_d_losses, reference_g_losses
from .networks import discriminator, discriminator_features, encode, generator, head
from .samples import (
    TinyEncoder,
    all_options,
    image,
    make_locations,
    make_nets,
    make_options,
    noise,
    with_grad,
)
from .step import lcl_terms

MIRROR = {'g': 'g_rain', 'd': 'd_rain', 'h': 'h_rain', 'g_rain': 'g', 'd_rain': 'd', 'h_rain': 'h'}


@pytest.mark.parametrize('cycle_encoders', ['domain', 'release'])
def test_every_image_meets_the_head_of_its_domain_and_the_encoder_the_table_names(
    cycle_encoders: str,
) -> None:
    class Names:
        def __getattr__(self, name: str) -> str:
            return name

    option = {'terms': ['translation', 'reconstruction', 'identity'], 'cycle_encoders': cycle_encoders}
    terms = lcl_terms({'lcl_opt': option}, Names())
    one, other = ('g_rain', 'g') if cycle_encoders == 'domain' else ('g', 'g_rain')
    assert terms == {
        'rain_translation': (('r', 'g', 'h_rain'), ('c_hat', 'g_rain', 'h')),
        'clean_translation': (('c', 'g_rain', 'h'), ('r_hat', 'g', 'h_rain')),
        'rain_reconstruction': (('c_hat', one, 'h'), ('r_again', other, 'h_rain')),
        'clean_reconstruction': (('r_hat', other, 'h_rain'), ('c_again', one, 'h')),
        'rain_identity': (('r', 'g', 'h_rain'), ('r_same', 'g', 'h_rain')),
        'clean_identity': (('c', 'g_rain', 'h'), ('c_same', 'g_rain', 'h')),
    }


def test_names_of_the_losses() -> None:
    nets, options = make_nets(), make_options()
    args = (nets, options, image(), image(seed=1))
    assert list(reference_d_losses(*args)) == ['l_d', 'l_d_rain']
    assert list(reference_g_losses(*args, make_locations(), [TinyEncoder()])) == [
        'l_g_gan', 'l_g_gan_rain', 'l_idt', 'l_idt_rain', 'l_lcl', 'l_intra', 'l_inter'
    ]  # fmt: skip


@pytest.mark.parametrize('gan_type', ['hinge', 'lsgan'])
@pytest.mark.parametrize('cycle_encoders', ['domain', 'release'])
def test_mirroring_rain_and_clean_mirrors_the_losses(gan_type: str, cycle_encoders: str) -> None:
    nets, options = make_nets(), all_options()
    options['gan_opt']['gan_type'] = gan_type
    options['lcl_opt']['cycle_encoders'] = cycle_encoders
    r, c, locations = image(2), image(2, seed=1), make_locations()
    swap = {'rain': 'clean', 'clean': 'rain'}
    mirrored_terms = {}
    for term, places in locations['lcl'].items():
        side, kind = term.split('_')
        mirrored_terms[f'{swap[side]}_{kind}'] = places
    mirrored_locations = {**locations, 'lcl': mirrored_terms}
    mirrored_nets = {MIRROR[net]: state for net, state in nets.items()}
    pairs = {'l_g_gan': 'l_g_gan_rain', 'l_idt': 'l_idt_rain', 'l_cycle': 'l_cycle_rain', 'l_d': 'l_d_rain'}
    pairs |= {b: a for a, b in pairs.items()}
    straight = reference_g_losses(nets, options, r, c, locations, [TinyEncoder()])
    mirrored = reference_g_losses(mirrored_nets, options, c, r, mirrored_locations, [TinyEncoder()])
    straight |= reference_d_losses(nets, options, r, c)
    mirrored |= reference_d_losses(mirrored_nets, options, c, r)
    assert straight.keys() == mirrored.keys()
    for name, loss in straight.items():
        torch.testing.assert_close(mirrored[pairs.get(name, name)], loss, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('pooling', ['sample', 'mean'])
def test_a_batch_is_the_average_of_its_images(pooling: str) -> None:
    nets, locations = make_nets(), make_locations()
    options = all_options(inter_ccl_opt={'loss_weight': 0.005, 'pooling': pooling})
    r, c = image(3), image(3, seed=1)

    def losses(which: slice) -> dict[str, Tensor]:
        g_losses = reference_g_losses(nets, options, r[which], c[which], locations, [TinyEncoder()])
        return g_losses | reference_d_losses(nets, options, r[which], c[which])

    joined, singles = losses(slice(None)), [losses(slice(i, i + 1)) for i in range(3)]
    for name, loss in joined.items():
        torch.testing.assert_close(
            torch.stack([s[name] for s in singles]).mean(), loss, rtol=1e-12, atol=1e-12
        )


def test_negatives_of_the_batch_change_the_lcl_loss_of_a_batch_only() -> None:
    nets, locations = make_nets(), make_locations()

    def lcl(count: int, negatives: str) -> float:
        options = make_options(lcl_opt={'negatives': negatives})
        r, c = image(count), image(count, seed=1)
        return reference_g_losses(nets, options, r, c, locations, [TinyEncoder()])['l_lcl'].item()

    assert lcl(1, 'batch') == pytest.approx(lcl(1, 'image'), rel=1e-12)
    assert lcl(2, 'batch') > lcl(2, 'image')


def test_losses_without_stopped_gradients_agree_with_central_differences() -> None:
    options = make_options(cycle_opt={'loss_weight': 10.0}, lcl_opt=None, intra_ccl_opt=None)
    options['inter_ccl_opt'] = {'loss_weight': 1.0, 'projection': 'fixed'}
    nets, locations = with_grad(make_nets()), make_locations()
    projections = {'image': noise(3, 4), 'conv2': noise(8, 4, seed=1), 'conv3': noise(16, 4, seed=2)}
    r, c = image(2), image(2, seed=1)

    def total(point: dict[str, dict[str, Tensor]]) -> Tensor:
        losses = reference_g_losses(point, options, r, c, locations, (), projections)
        return torch.stack(list(losses.values())).sum()

    total(nets).backward()
    step = 1e-7
    for name in ('stem.conv.weight', 'blocks.1.conv1.weight', 'up1.conv.weight', 'out.conv.bias'):
        for net in ('g', 'g_rain'):
            weight = nets[net][name]
            assert weight.grad is not None
            direction = noise(*weight.shape, seed=3)
            moved = [
                total({**nets, net: {**nets[net], name: weight.detach() + sign * step * direction}}).item()
                for sign in (1, -1)
            ]
            slope = (weight.grad * direction).sum().item()
            assert (moved[0] - moved[1]) / (2 * step) == pytest.approx(slope, rel=1e-4)


def test_generator_losses_leave_the_discriminators_alone_and_reach_everything_else() -> None:
    nets = with_grad(make_nets())
    losses = reference_g_losses(
        nets, make_options(), image(), image(seed=1), make_locations(), [TinyEncoder()]
    )
    torch.stack(list(losses.values())).sum().backward()
    for net, state in nets.items():
        for name, tensor in state.items():
            if net.startswith('d'):
                assert tensor.grad is None, (net, name)
            else:
                assert tensor.grad is not None, (net, name)
                assert tensor.grad.abs().max() > 0, (net, name)


def test_discriminator_losses_reach_the_discriminators_only() -> None:
    nets = with_grad(make_nets())
    losses = reference_d_losses(nets, make_options(), image(), image(seed=1))
    torch.stack(list(losses.values())).sum().backward()
    found = {net for net, state in nets.items() for tensor in state.values() if tensor.grad is not None}
    assert found == {'d', 'd_rain'}


def test_intra_is_the_formula_of_the_page() -> None:
    nets, r, c, encoder = make_nets(), image(), image(seed=1), TinyEncoder()
    c_hat, r_hat = generator(nets['g'], r, {}), generator(nets['g_rain'], c, {})
    r_again, c_again = generator(nets['g_rain'], c_hat, {}), generator(nets['g'], r_hat, {})
    for anchors in (['reconstruction'], ['translation'], ['reconstruction', 'translation']):
        expected = 0.0
        for layer, weight in enumerate((0.7 * 0.5, 0.7 * 2.0)):

            def far(a: Tensor, b: Tensor, layer: int = layer) -> float:
                return (encoder(a)[layer] - encoder(b)[layer]).abs().mean().item()

            if 'reconstruction' in anchors:
                rain = far(r_again, r) / (far(r_again, c) + 0.1 * far(r_again, c_hat) + 1e-7)
                clean = far(c_again, c) / (far(c_again, r) + 0.1 * far(c_again, r_hat) + 1e-7)
                expected += weight * 0.5 * (rain + clean)
            if 'translation' in anchors:
                rain = far(c_hat, c) / (far(c_hat, r) + 1e-7)
                clean = far(r_hat, r) / (far(r_hat, c) + 1e-7)
                expected += weight * 0.5 * (rain + clean)
        options = make_options(intra_ccl_opt={'loss_weight': 1.5, 'anchors': anchors})
        found = reference_g_losses(nets, options, r, c, make_locations(), [encoder])['l_intra']
        assert found.item() == pytest.approx(1.5 * expected, rel=1e-12)


def test_inter_is_the_formula_of_the_page() -> None:
    nets, r, c, locations = make_nets(), image(), image(seed=1), make_locations()
    c_hat, r_hat = generator(nets['g'], r, {}), generator(nets['g_rain'], c, {})
    r_again, c_again = generator(nets['g_rain'], c_hat, {}), generator(nets['g'], r_hat, {})
    expected = 0.0
    for level, places in locations['inter'].items():

        def far(net: str, a: Tensor, b: Tensor, level: str = level, places: Tensor = places) -> float:
            maps = (discriminator_features(nets[net], x, {})[level].flatten(2)[:, :, places] for x in (a, b))
            one, other = (F.normalize(m, dim=1) for m in maps)
            return (one - other).abs().mean().item()

        near = far('d', c_hat, c) + far('d', c_again, c) + 0.2 * far('d', c_hat, c_again)
        expected += near / (far('d', c_hat, r) + far('d', c_again, r) + 1e-7) / 2
        near = far('d_rain', r_hat, r) + far('d_rain', r_again, r) + 0.2 * far('d_rain', r_hat, r_again)
        expected += near / (far('d_rain', r_hat, c) + far('d_rain', r_again, c) + 1e-7) / 2
    found = reference_g_losses(nets, make_options(), r, c, locations, [TinyEncoder()])['l_inter']
    assert found.item() == pytest.approx(0.005 * expected, rel=1e-12)


def test_lcl_is_the_formula_of_the_page() -> None:
    nets, r, c, locations = make_nets(), image(), image(seed=1), make_locations()
    c_hat, r_hat = generator(nets['g'], r, {}), generator(nets['g_rain'], c, {})
    r_again, c_again = generator(nets['g_rain'], c_hat, {}), generator(nets['g'], r_hat, {})
    expected = 0.0
    for term, key, query in (
        ('rain_translation', (r, 'g', 'h_rain'), (c_hat, 'g_rain', 'h')),
        ('clean_translation', (c, 'g_rain', 'h'), (r_hat, 'g', 'h_rain')),
        ('rain_reconstruction', (c_hat, 'g_rain', 'h'), (r_again, 'g', 'h_rain')),
        ('clean_reconstruction', (r_hat, 'g', 'h_rain'), (c_again, 'g_rain', 'h')),
    ):
        for level, places in locations['lcl'][term].items():
            k, q = (
                head(nets[h], level, encode(nets[g], x, {})[level].flatten(2)[0, :, places].T)
                for x, g, h in (key, query)
            )
            logits = q @ k.T / 0.07
            expected -= (logits.diagonal() - logits.logsumexp(dim=1)).mean().item() / (4 * 3)
    found = reference_g_losses(nets, make_options(), r, c, locations, [TinyEncoder()])['l_lcl']
    assert found.item() == pytest.approx(2 * expected, rel=1e-12)


def test_one_sided_step_has_no_halves() -> None:
    nets = make_nets(sides=('',))
    options = make_options(
        lcl_opt={'loss_weight': 1.0, 'terms': ['translation', 'identity']},
        intra_ccl_opt=None,
        inter_ccl_opt=None,
    )
    r, c = image(2), image(2, seed=1)
    locations = make_locations(('translation', 'identity'))
    losses = reference_g_losses(nets, options, r, c, locations)
    assert list(losses) == ['l_g_gan', 'l_idt', 'l_lcl']
    fake, same = generator(nets['g'], r, {}), generator(nets['g'], c, {})
    assert losses['l_g_gan'].item() == pytest.approx(-discriminator(nets['d'], fake, {}).mean().item())
    assert losses['l_idt'].item() == pytest.approx((same - c).abs().mean().item())
    assert list(reference_d_losses(nets, options, r, c)) == ['l_d']
    with pytest.raises(ValueError, match='inter_ccl_opt needs the second generator'):
        reference_g_losses(nets, make_options(intra_ccl_opt=None), r, c, locations)


def test_weights_and_halves_of_the_generator_losses() -> None:
    nets, r, c = make_nets(), image(), image(seed=1)
    light = all_options()
    heavy = {
        name: {**option, 'loss_weight': 3 * option['loss_weight']} if 'loss_weight' in option else option
        for name, option in light.items()
    }
    args = (r, c, make_locations(), [TinyEncoder()])
    once, thrice = reference_g_losses(nets, light, *args), reference_g_losses(nets, heavy, *args)
    for name, loss in once.items():
        torch.testing.assert_close(thrice[name], 3 * loss, rtol=1e-12, atol=1e-12)
    c_hat = generator(nets['g'], r, {})
    r_again = generator(nets['g_rain'], c_hat, {})
    same = generator(nets['g'], c, {})
    assert once['l_g_gan'].item() == pytest.approx(-0.5 * discriminator(nets['d'], c_hat, {}).mean().item())
    assert once['l_idt'].item() == pytest.approx(0.5 * (same - c).abs().mean().item())
    assert once['l_cycle'].item() == pytest.approx(5 * (r_again - r).abs().mean().item())
