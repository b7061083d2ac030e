"""The losses of one training step, by sections 3 to 5 of the method.

Images: r rainy, c rain-free; ``c_hat = G_n(r)``, ``r_again = G_r(c_hat)``; ``r_hat = G_r(c)``,
``c_again = G_n(r_hat)``; ``r_same = G_r(r)``, ``c_same = G_n(c)``.

``nets`` holds plain states under ``g`` (G_n), ``g_rain`` (G_r), ``d``, ``d_rain``, ``h``, ``h_rain``. Without
``g_rain`` the step is one-sided: G_n alone, which is then the encoder of everything, with the head ``h``.

``options`` is the ``train`` part of the options file with ``network_g``, ``network_g_rain`` and, where they
are not as in the method, ``network_d`` and ``network_d_rain`` added to it; a
loss whose option is absent or None has no entry in the result. Every returned loss has its weight in it, so
that their sum is what the optimizers see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from torch import Tensor

from .layers import State
from .losses import (
    gan,
    inter_ratio,
    inter_vectors,
    intra_ratio,
    l1,
    mean_of,
    patch_nce,
    sample,
    sum_over_trained_levels,
)
from .networks import discriminator, discriminator_features, encode, generator, head

Nets = Mapping[str, State]
Options = Mapping[str, Any]
Locations = Mapping[str, Any]


class Encoder(Protocol):
    """A frozen embedding of images in [0, 1] into one tensor ``(N, ...)`` for each layer."""

    weight: float
    layer_weights: Sequence[float]

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]: ...


def reference_d_losses(nets: Nets, options: Options, r: Tensor, c: Tensor) -> dict[str, Tensor]:
    """``l_d`` and, two-sided, ``l_d_rain``: each half of real plus fake; fakes are detached."""
    option = options.get('gan_opt')
    if not option:
        return {}

    def loss(net: str, real: Tensor, fake: Tensor) -> Tensor:
        of_real = gan(discriminator(nets[net], real, _arch(options, net)), True, True, option)
        of_fake = gan(discriminator(nets[net], fake, _arch(options, net)), False, True, option)
        return 0.5 * (of_real + of_fake)

    with torch.no_grad():
        c_hat = generator(nets['g'], r, options['network_g'])
    losses = {'l_d': loss('d', c, c_hat)}
    if 'g_rain' in nets:
        with torch.no_grad():
            r_hat = generator(nets['g_rain'], c, options['network_g_rain'])
        losses['l_d_rain'] = loss('d_rain', r, r_hat)
    return losses


def reference_g_losses(
    nets: Nets,
    options: Options,
    r: Tensor,
    c: Tensor,
    locations: Locations | None = None,
    encoders: Sequence[Encoder] = (),
    projections: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """All losses of the generators and heads; gradient flows through the discriminators, not to them.

    Args:
        nets: states, see the module's docstring.
        options: see there.
        r: rainy images ``(N, 3, H, W)`` in [0, 1].
        c: rain-free images of the same shape.
        locations: ``{'lcl': {term: {level: LongTensor (P,)}}, 'inter': {level: LongTensor (P,)}}``; flat
            indices into H * W of the level's map, the same for all images. The terms are ``rain_`` and
            ``clean_`` followed by ``translation``, ``reconstruction`` or ``identity``; one-sided they are
            ``translation`` and ``identity``. Only those that the options name are looked up.
        encoders: the semantic encoders of the intra term.
        projections: for ``projection: fixed``, a matrix ``(C, K)`` for every level of the inter term.
    """
    locations = locations or {}
    if 'g_rain' in nets:
        images = _two_sided_images(nets, options, r, c)
        losses = _two_sided_pixel_losses(nets, options, images)
    else:
        for name in ('cycle_opt', 'intra_ccl_opt', 'inter_ccl_opt'):
            if options.get(name):
                raise ValueError(f'{name} needs the second generator')
        images = SimpleNamespace(r=r, c=c)
        images.c_hat = generator(nets['g'], r, options['network_g'])
        images.c_same = generator(nets['g'], c, options['network_g'])
        losses = _one_sided_pixel_losses(nets, options, images)
    if options.get('lcl_opt'):
        losses['l_lcl'] = _lcl(nets, options, images, locations['lcl'])
    if options.get('intra_ccl_opt'):
        losses['l_intra'] = _intra(options['intra_ccl_opt'], images, encoders)
    if options.get('inter_ccl_opt'):
        losses['l_inter'] = _inter(nets, options, images, locations.get('inter'), projections)
    return losses


def _two_sided_images(nets: Nets, options: Options, r: Tensor, c: Tensor) -> SimpleNamespace:
    """Section 3: both cycles and both identities."""
    images = SimpleNamespace(r=r, c=c)
    images.c_hat = generator(nets['g'], r, options['network_g'])
    images.r_again = generator(nets['g_rain'], images.c_hat, options['network_g_rain'])
    images.r_hat = generator(nets['g_rain'], c, options['network_g_rain'])
    images.c_again = generator(nets['g'], images.r_hat, options['network_g'])
    images.r_same = generator(nets['g_rain'], r, options['network_g_rain'])
    images.c_same = generator(nets['g'], c, options['network_g'])
    return images


def _arch(options: Options, net: str) -> Mapping[str, Any]:
    return options.get(f'network_{net}') or {}


def _frozen(state: State) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in state.items()}


def _l1_weight(option: Mapping[str, Any]) -> float:
    if option.get('type', 'L1Loss') != 'L1Loss' or option.get('reduction', 'mean') != 'mean':
        raise ValueError(f'the method knows a mean L1 only, not {option}')
    return option.get('loss_weight', 1.0)


def _two_sided_pixel_losses(nets: Nets, options: Options, images: SimpleNamespace) -> dict[str, Tensor]:
    """L_adv and L_idt of section 3; CycleGAN's two cycle losses likewise."""
    losses = {}
    if options.get('gan_opt'):
        for name, net, fake in (
            ('l_g_gan', 'd', images.c_hat),
            ('l_g_gan_rain', 'd_rain', images.r_hat),
        ):
            logits = discriminator(_frozen(nets[net]), fake, _arch(options, net))
            losses[name] = 0.5 * gan(logits, True, False, options['gan_opt'])
    if options.get('idt_opt'):
        weight = _l1_weight(options['idt_opt'])
        losses['l_idt'] = weight * 0.5 * l1(images.c_same, images.c)
        losses['l_idt_rain'] = weight * 0.5 * l1(images.r_same, images.r)
    if options.get('cycle_opt'):
        weight = _l1_weight(options['cycle_opt'])
        losses['l_cycle'] = 0.5 * weight * l1(images.r_again, images.r)
        losses['l_cycle_rain'] = 0.5 * weight * l1(images.c_again, images.c)
    return losses


def _one_sided_pixel_losses(nets: Nets, options: Options, images: SimpleNamespace) -> dict[str, Tensor]:
    """With one direction only there is nothing to average, hence no halves."""
    losses = {}
    if options.get('gan_opt'):
        logits = discriminator(_frozen(nets['d']), images.c_hat, _arch(options, 'd'))
        losses['l_g_gan'] = gan(logits, True, False, options['gan_opt'])
    if options.get('idt_opt'):
        losses['l_idt'] = _l1_weight(options['idt_opt']) * l1(images.c_same, images.c)
    return losses


def lcl_terms(options: Options, images: SimpleNamespace) -> dict[str, tuple[tuple[Any, str, str], ...]]:
    """Section 4's table: for each term the key's and the query's (image, encoding net, head)."""
    option = options['lcl_opt']
    chosen = option.get('terms', ('translation', 'reconstruction'))
    if not hasattr(images, 'r_hat'):
        table = {
            'translation': ((images.r, 'g', 'h'), (images.c_hat, 'g', 'h')),
            'identity': ((images.c, 'g', 'h'), (images.c_same, 'g', 'h')),
        }
        return {name: table[name] for name in chosen}

    # a generator encodes the images of the domain that it takes
    encoder_of = {'rainy': 'g', 'clean': 'g_rain'}
    cycle_encoder_of = {
        'domain': encoder_of,
        'release': {'rainy': 'g_rain', 'clean': 'g'},
    }[option.get('cycle_encoders', 'domain')]
    rainy, clean = (encoder_of['rainy'], 'h_rain'), (encoder_of['clean'], 'h')
    cycle_rainy, cycle_clean = (cycle_encoder_of['rainy'], 'h_rain'), (cycle_encoder_of['clean'], 'h')
    table = {
        'translation': {
            'rain_translation': ((images.r, *rainy), (images.c_hat, *clean)),
            'clean_translation': ((images.c, *clean), (images.r_hat, *rainy)),
        },
        'reconstruction': {
            'rain_reconstruction': ((images.c_hat, *cycle_clean), (images.r_again, *cycle_rainy)),
            'clean_reconstruction': ((images.r_hat, *cycle_rainy), (images.c_again, *cycle_clean)),
        },
        'identity': {
            'rain_identity': ((images.r, *rainy), (images.r_same, *rainy)),
            'clean_identity': ((images.c, *clean), (images.c_same, *clean)),
        },
    }
    return {name: term for group in chosen for name, term in table[group].items()}


def _lcl(nets: Nets, options: Options, images: SimpleNamespace, locations: Locations) -> Tensor:
    """The weight times the mean over terms of the mean over levels."""
    option = options['lcl_opt']
    terms = []
    for name, (key, query) in lcl_terms(options, images).items():
        (key_image, key_net, key_head), (query_image, query_net, query_head) = key, query
        key_maps = encode(nets[key_net], key_image, options[f'network_{key_net}'])
        query_maps = encode(nets[query_net], query_image, options[f'network_{query_net}'])
        levels = []
        for level in option.get('layers', ('down1', 'down2', 'block1')):
            places = locations[name][level]
            keys = head(nets[key_head], level, sample(key_maps[level], places))
            queries = head(nets[query_head], level, sample(query_maps[level], places))
            levels.append(
                patch_nce(queries, keys, option.get('temperature', 0.07), option.get('negatives', 'image'))
            )
        terms.append(mean_of(levels))
    return option.get('loss_weight', 1.0) * mean_of(terms)


def _intra(option: Mapping[str, Any], images: SimpleNamespace, encoders: Sequence[Encoder]) -> Tensor:
    """Section 5, semantic space: half of rain plus clean, summed over anchors, encoders and layers."""
    i, w = images, option.get('translation_weight', 0.1)
    # anchor, positive, negatives with their weights
    terms = {
        'reconstruction': (
            (i.r_again, i.r, ((1.0, i.c), (w, i.c_hat))),
            (i.c_again, i.c, ((1.0, i.r), (w, i.r_hat))),
        ),
        'translation': (
            (i.c_hat, i.c, ((1.0, i.r),)),
            (i.r_hat, i.r, ((1.0, i.c),)),
        ),
    }
    if not encoders:
        raise ValueError('the intra term needs an encoder')
    total = 0
    for anchor_name in option.get('anchors', ('reconstruction',)):
        for anchor, positive, negatives in terms[anchor_name]:
            for encoder in encoders:
                of_anchor, of_positive = encoder(anchor), encoder(positive)
                of_negatives = [(weight, encoder(image.detach())) for weight, image in negatives]
                for layer, layer_weight in enumerate(encoder.layer_weights):
                    far = [(weight, features[layer]) for weight, features in of_negatives]
                    ratio = intra_ratio(of_anchor[layer], of_positive[layer], far, option.get('eps', 1e-7))
                    total = total + 0.5 * encoder.weight * layer_weight * ratio
    return option.get('loss_weight', 1.0) * total


def _inter(
    nets: Nets,
    options: Options,
    images: SimpleNamespace,
    locations: Mapping[str, Tensor] | None,
    projections: Mapping[str, Tensor] | None,
) -> Tensor:
    """Section 5, discriminative space: D_n and D_r added."""
    i, option = images, options['inter_ccl_opt']
    pooling, fixed = option.get('pooling', 'sample'), option.get('projection', 'none') == 'fixed'
    total = 0
    # translation, reconstruction, near, far
    for net, four in (
        ('d', (i.c_hat, i.c_again, i.c, i.r)),
        ('d_rain', (i.r_hat, i.r_again, i.r, i.c)),
    ):
        maps = [discriminator_features(_frozen(nets[net]), image, _arch(options, net)) for image in four]
        ratios = {}
        for level in option.get('layers', ('image', 'conv2', 'conv3')):
            places = locations[level] if pooling == 'sample' else None
            projection = projections[level] if fixed else None
            vectors = [inter_vectors(m[level], places, pooling, projection) for m in maps]
            ratios[level] = inter_ratio(*vectors, option.get('pair_weight', 0.2), option.get('eps', 1e-7))
        total = total + sum_over_trained_levels(ratios)
    return option.get('loss_weight', 1.0) * total
