"""Rules between the options of CCLGANModel: which networks, losses and layers go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cclgan_plugin.errors import UserError, did_you_mean
from cclgan_plugin.options import registered
from cclgan_plugin.options.blank_networks import build_blank
from cclgan_plugin.options.place import KeyPath
from cclgan_plugin.options.problems import Problem
from cclgan_plugin.options.rules import Rule

_TRAINS_BOTH_WAYS = 'network_g_rain and network_d_rain (a one-sided training has neither)'

# For which the sizes of feature levels are compared; any that they divide would do.
_IMAGE = 256


def _two_sided(options: dict[str, Any]) -> bool:
    return options['network_g_rain'] is not None and options['network_d_rain'] is not None


def networks_come_in_pairs(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """A training has G_n and D_n; the way back has G_r and D_r, and H_r belongs to it."""
    if not is_train:
        return
    if options['network_d'] is None:
        yield Problem(('network_d',), 'this key is missing; a training needs a discriminator')
    for one, other in (('network_g_rain', 'network_d_rain'), ('network_d_rain', 'network_g_rain')):
        if options[one] is not None and options[other] is None:
            yield Problem(
                (one,), f'{one} is given without {other}; a two-sided training has both, a one-sided neither'
            )
    if options['network_h_rain'] is not None and options['network_g_rain'] is None:
        yield Problem(
            ('network_h_rain',), 'the head for rainy images belongs to a two-sided training (network_g_rain)'
        )


def networks_give_levels(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """The step asks networks for their feature levels, which those of other models do not give."""
    train = options['train'] or {}
    for name, loss, such_as in (
        ('network_g', 'lcl_opt', 'CCLGANGenerator'),
        ('network_d', 'inter_ccl_opt', 'CCLGANDiscriminator'),
    ):
        needed = ('forward_features', *(('encode', 'feature_sizes') if train.get(loss) else ()))
        for key in (name, f'{name}_rain') if is_train else ():
            kind = (options[key] or {}).get('type')
            network = kind and registered.find('arch', kind)
            missing = [method for method in needed if not hasattr(network, method)]
            if isinstance(network, type) and missing:
                yield Problem(
                    (key, 'type'),
                    f'CCLGANModel trains {such_as} or a class with its methods; {kind} has no '
                    f'{" and no ".join(missing)}',
                )


def losses_have_networks(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Losses that look at the way back need it; LCL needs its heads and their optimizer."""
    train = options['train']
    if train is None or not is_train:
        return
    both = _two_sided(options)
    for key in ('cycle_opt', 'intra_ccl_opt', 'inter_ccl_opt'):
        if train[key] and not both:
            yield Problem(
                ('train', key), f'this loss needs {_TRAINS_BOTH_WAYS}; to switch it off write {key}: ~'
            )
    lcl = train['lcl_opt']
    if not lcl:
        return
    if 'reconstruction' in lcl.get('terms', ['translation', 'reconstruction']) and not both:
        yield Problem(('train', 'lcl_opt', 'terms'), f'the term "reconstruction" needs {_TRAINS_BOTH_WAYS}')
    for key in ('network_h', *(['network_h_rain'] if options['network_g_rain'] is not None else [])):
        if options[key] is None:
            yield Problem((key,), 'this key is missing; train.lcl_opt needs it: {type: LCLHead}')
    if not train['optim_h']:
        yield Problem(
            ('train', 'optim_h'), 'this key is missing; train.lcl_opt has heads to train (network_h)'
        )


def lists_name_once(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Lists of layers, terms and anchors hold nothing twice."""
    train = options['train'] or {}
    for loss, keys in (
        ('lcl_opt', ('layers', 'terms')),
        ('intra_ccl_opt', ('anchors',)),
        ('inter_ccl_opt', ('layers',)),
    ):
        for key in keys:
            values = (train.get(loss) or {}).get(key, [])
            for i, value in enumerate(values):
                if value in values[:i]:
                    yield Problem(('train', loss, key, i), f'"{value}" stands twice in this list')


def layers_exist(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """LCL compares feature levels of the generators, inter-CCL those of the discriminators."""
    train = options['train'] or {}
    pairs = (('lcl_opt', 'network_g'), ('inter_ccl_opt', 'network_d'))
    for loss, network in pairs if is_train else ():
        if train.get(loss):
            for name in (network, f'{network}_rain'):
                if options[name] is not None:
                    yield from _missing_layers(options[name], name, train[loss], loss)


def _missing_layers(
    network: dict[str, Any], name: str, block: dict[str, Any], loss: str
) -> Iterator[Problem]:
    kind = network['type']
    try:
        levels = getattr(build_blank(network), 'feature_channels', None)
    except UserError as error:
        yield Problem((name,), str(error))
        return
    if levels is None:
        if not hasattr(registered.find('arch', kind), 'forward_features'):
            return  # said by networks_give_levels
        yield Problem((name, 'type'), f'{kind} declares no feature levels, which train.{loss} compares')
        return
    default = registered.default_of('loss', block['type'], 'layers') or ()
    for i, layer in enumerate(block.get('layers', default)):
        if layer not in levels:
            hint = did_you_mean(layer, levels)
            yield Problem(
                ('train', loss, 'layers', i),
                f'{name} ({kind}) has no level "{layer}".{hint} It has: {", ".join(levels)}',
            )


def levels_are_alike(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Places are drawn once for the levels of both sides, and LCL's heads take the channels of both."""
    if not is_train or not _two_sided(options):
        return
    lcl, inter = ((options['train'] or {}).get(key) or {} for key in ('lcl_opt', 'inter_ccl_opt'))
    if lcl:
        yield from _alike(options, 'lcl_opt', 'network_g', 'width and anti_alias')
    if inter and inter.get('pooling', registered.default_of('loss', inter['type'], 'pooling')) == 'sample':
        yield from _alike(options, 'inter_ccl_opt', 'network_d', 'anti_alias')


def _alike(options: dict[str, Any], loss: str, name: str, such_as: str) -> Iterator[Problem]:
    block = options['train'][loss]
    first = 0 if loss == 'lcl_opt' else 1  # inter-CCL compares no channels
    here, back = (_levels(options[net]) for net in (name, f'{name}_rain'))
    for layer in block.get('layers', registered.default_of('loss', block['type'], 'layers') or ()):
        if layer in here and layer in back and here[layer][first:] != back[layer][first:]:
            found, other = (' x '.join(map(str, levels[layer][first:])) for levels in (back, here))
            yield Problem(
                (f'{name}_rain',),
                f'level "{layer}" is {found} here and {other} in {name}, for an image of '
                f'{_IMAGE} x {_IMAGE} pixels; train.{loss} draws the same places in both, so give both the '
                f'options that make them the same, such as {such_as}',
            )
            return  # the other levels tell no more


def _levels(network: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Channels, height and width of each level; nothing where another rule objects to the network."""
    try:
        net = build_blank(network)
        channels, sizes = net.feature_channels, net.feature_sizes(_IMAGE, _IMAGE)
    except (UserError, AttributeError):
        return {}
    return {level: (channels[level], *sizes[level]) for level in channels}


def losses_are_the_right_ones(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """The step calls each loss in its own way, so its place takes only its kind."""
    train = options['train'] or {}
    for key, name in (
        ('lcl_opt', 'LCLLoss'),
        ('intra_ccl_opt', 'IntraCCLLoss'),
        ('inter_ccl_opt', 'InterCCLLoss'),
    ):
        block = train.get(key)
        if not block or block['type'] == name:
            continue
        base, given = registered.find('loss', name), registered.find('loss', block['type'])
        if not (isinstance(base, type) and isinstance(given, type) and issubclass(given, base)):
            yield Problem(
                ('train', key, 'type'), f'expected {name} or a class derived from it, got {block["type"]}'
            )


def layer_weights_fit(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """An encoder has one weight for each of its layers."""
    block = (options['train'] or {}).get('intra_ccl_opt') or {}
    encoders = block.get('encoder') or []
    several = isinstance(encoders, list)
    for i, encoder in enumerate(encoders if several else [encoders]):
        weights = encoder.get('layer_weights')
        if weights is None:
            continue
        layers = encoder.get('layers') or registered.default_of('encoder', encoder['type'], 'layers') or ()
        if len(weights) != len(layers):
            here: KeyPath = ('train', 'intra_ccl_opt', 'encoder')
            path = (*here, i, 'layer_weights') if several else (*here, 'layer_weights')
            yield Problem(path, f'{len(weights)} weights for {len(layers)} layers; give one for each')


NETWORK_RULES: tuple[Rule, ...] = (
    networks_come_in_pairs,
    networks_give_levels,
    losses_have_networks,
    lists_name_once,
    layers_exist,
    levels_are_alike,
    losses_are_the_right_ones,
    layer_weights_fit,
)
