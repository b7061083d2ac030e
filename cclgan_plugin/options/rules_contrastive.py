"""Rules between the options of ContrastiveModel: the base model, its networks and the losses go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cclgan_plugin.errors import did_you_mean
from cclgan_plugin.options import registered
from cclgan_plugin.options.blank_networks import build_blank
from cclgan_plugin.options.place import KeyPath
from cclgan_plugin.options.problems import Problem
from cclgan_plugin.options.rules import Rule

_HERE: KeyPath = ('train', 'contrastive_opt')


def _active(options: dict[str, Any], is_train: bool) -> dict[str, dict[str, Any]]:
    """The losses with a weight, in a training."""
    block = (options.get('train') or {}).get('contrastive_opt') or {}
    return {k: v for k, v in block.items() if v and v.get('loss_weight', 1.0) != 0} if is_train else {}


def _own_encoder(lcl: dict[str, Any] | None) -> bool:
    return lcl is not None and lcl.get('encoder', 'net_g') == 'net_g'


def base_restores_images(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """``base_model_type`` is registered, and one that the losses can be added to."""
    from cclgan_plugin.models.contrastive_base import reason_against

    name, names = options['base_model_type'], registered.names_of('model')
    if name not in names:
        hint = did_you_mean(name, names)
        text = f'there is no model "{name}".{hint} A model is one of: {", ".join(names)}'
        yield Problem(('base_model_type',), text)
    else:
        reason = reason_against(name)
        if reason:
            yield Problem(('base_model_type',), reason)


def losses_are_given(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """A training has ``contrastive_opt`` with at least one loss, be its weight 0."""
    train = options.get('train')
    if is_train and train is not None and not any((train.get('contrastive_opt') or {}).values()):
        yield Problem(
            _HERE,
            'this key is missing; it holds the losses intra_ccl, inter_ccl and lcl. Without any, take '
            f'model_type: {options["base_model_type"]}',
        )


def heads_belong_to_lcl(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Heads, and what trains them, are there for LCL; of weight 0 it may keep them, for an ablation."""
    train = options.get('train')
    if not is_train or train is None:
        return
    lcl = (train.get('contrastive_opt') or {}).get('lcl')
    if options.get('network_h') and not lcl:
        yield Problem(('network_h',), 'no loss reads this key; train.contrastive_opt.lcl can. Leave it out')
    if train.get('optim_h') and not (lcl and (options.get('network_h') or _own_encoder(lcl))):
        what = (
            'a frozen encoder has no heads without network_h' if lcl else 'train.contrastive_opt.lcl has them'
        )
        yield Problem(('train', 'optim_h'), f'there are no heads to train; {what}. Leave it out')


def inter_has_a_discriminator(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Inter-CCL compares features of ``network_d``."""
    if 'inter_ccl' in _active(options, is_train) and not options.get('network_d'):
        yield Problem(
            (*_HERE, 'inter_ccl'),
            "this loss compares a discriminator's features, and there is no network_d; take a model with "
            'one, such as SRGANModel, or write inter_ccl: ~',
        )


def own_encoder_keeps_the_size(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """A generator that enlarges images cannot encode its own output at the places of its input."""
    lcl, scale = _active(options, is_train).get('lcl'), options.get('scale') or 1
    if _own_encoder(lcl) and scale != 1:
        yield Problem(
            (*_HERE, 'lcl', 'encoder'),
            f'net_g enlarges images (scale: {scale}), so its output is no input of its own; take a frozen '
            'encoder, such as {type: VGG19Encoder, layers: [relu2_2, relu3_3]}',
        )


def encoders_see_colours(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Frozen encoders take RGB images."""
    train, network = options['datasets'].get('train') or {}, options.get('network_g') or {}
    channels = network.get('num_out_ch', 3)
    grey = 'datasets.train.color: y' if train.get('color') == 'y' else f'network_g.num_out_ch: {channels}'
    if train.get('color') != 'y' and channels == 3:
        return
    for loss, block in _active(options, is_train).items():
        if isinstance(block.get('encoder'), (dict, list)):
            yield Problem(
                (*_HERE, loss, 'encoder'), f'a frozen encoder takes RGB images, and {grey} makes others'
            )


def layers_are_modules(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """``layers`` are feature levels of the network that they are taken from."""
    active = _active(options, is_train)
    own = _own_encoder(active.get('lcl')) and (options.get('scale') or 1) == 1
    for loss, network in (('inter_ccl', 'network_d'), ('lcl', 'network_g')):
        if loss in active and options.get(network) and (loss != 'lcl' or own):
            yield from _missing_layers(options[network], network, active[loss], loss)


def _missing_layers(
    network: dict[str, Any], name: str, block: dict[str, Any], loss: str
) -> Iterator[Problem]:
    from cclgan_plugin.archs.module_levels import IMAGE, listed

    try:
        blank = build_blank(network)
    except Exception:
        # A stranger's constructor may need real tensors, or refuse its options; the model itself will tell.
        return
    declared = dict(getattr(blank, 'feature_channels', None) or {})
    levels = list(dict.fromkeys((*declared, IMAGE, *(n for n, _ in blank.named_modules() if n))))
    default = registered.default_of('loss', block['type'], 'layers') or ()
    given = block.get('layers')
    for i, layer in enumerate(given or default):
        if layer not in levels:
            path = (*_HERE, loss, 'layers', i) if given else (*_HERE, loss, 'layers')
            what = '' if given else 'this key is missing, and '
            yield Problem(
                path,
                f'{what}{name} ({network["type"]}) has no module "{layer}".{did_you_mean(layer, levels)} '
                f'It has: {listed(levels)}',
            )


def lists_name_once(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """``layers`` holds nothing twice."""
    for loss, block in _active(options, is_train).items():
        layers = block.get('layers') or []
        for i, layer in enumerate(layers):
            if layer in layers[:i]:
                yield Problem((*_HERE, loss, 'layers', i), f'"{layer}" stands twice in this list')


CONTRASTIVE_RULES: tuple[Rule, ...] = (
    base_restores_images,
    losses_are_given,
    heads_belong_to_lcl,
    inter_has_a_discriminator,
    own_encoder_keeps_the_size,
    encoders_see_colours,
    layers_are_modules,
    lists_name_once,
)


def with_heads(options: dict[str, Any], is_train: bool) -> dict[str, Any]:
    """The options with the heads they do not spell out, so that a resumed run looks for their weights."""
    from cclgan_plugin.models.contrastive_model import HEAD

    if _own_encoder(_active(options, is_train).get('lcl')) and not options.get('network_h'):
        options['network_h'] = dict(HEAD)
    return options
