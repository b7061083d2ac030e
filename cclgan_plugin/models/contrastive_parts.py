"""CCLGAN's losses for another model, built from ``train.contrastive_opt`` and that model's networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import torch
from basicsr.losses import build_loss
from torch import nn

from cclgan_plugin.archs.module_levels import ModuleLevels, level_channels, require_levels
from cclgan_plugin.encoders import SemanticEncoder, build_encoder
from cclgan_plugin.errors import OptionError, did_you_mean
from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss, LCLLoss
from cclgan_plugin.models.contrastive_dry_runs import (
    OWN_ENCODER,
    WHERE,
    dtype_of,
    require_colours,
    require_places,
    run_alone,
    run_generator,
    training_images,
)
from cclgan_plugin.models.contrastive_inter import InterTerm
from cclgan_plugin.models.contrastive_lcl import LCLTerm
from cclgan_plugin.models.contrastive_terms import ContrastiveTerms
from cclgan_plugin.models.value_range import ValueRange

LOSSES = {'intra_ccl': IntraCCLLoss, 'inter_ccl': InterCCLLoss, 'lcl': LCLLoss}

Loss = TypeVar('Loss', IntraCCLLoss, InterCCLLoss, LCLLoss)


def active_losses(opt: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The blocks of ``train.contrastive_opt`` whose weight is not 0; the others are not even built.

    Raises:
        OptionError: the block is missing, or holds something else.
    """
    block = (opt.get('train') or {}).get('contrastive_opt')
    if not isinstance(block, Mapping):
        raise OptionError(f'{WHERE}: this key is missing; it holds the losses: {", ".join(LOSSES)}')
    for name, loss in block.items():
        if name not in LOSSES:
            raise OptionError(
                f'{WHERE}: unknown loss "{name}".{did_you_mean(name, LOSSES)} There are: {", ".join(LOSSES)}'
            )
        if loss is not None and not isinstance(loss, Mapping):
            raise OptionError(f'{WHERE}.{name}: expected the options of a loss, got {loss!r}')
    return {name: dict(loss) for name, loss in block.items() if loss and loss.get('loss_weight', 1.0) != 0}


def build_terms(
    opt: Mapping[str, Any], net_g: nn.Module, net_d: nn.Module | None, device: torch.device
) -> ContrastiveTerms:
    """Build the losses; LCL's head comes separately.

    Args:
        opt: BasicSR's options of the run.
        net_g: the bare generator.
        net_d: the bare discriminator, if the model has one.
        device: where the networks are.

    Raises:
        OptionError: a loss does not go with the networks; the message names the key.
    """
    blocks = active_losses(opt)
    frozen = [name for name, block in blocks.items() if isinstance(block.get('encoder'), (Mapping, list))]
    require_colours(net_g, opt, device, frozen)
    intra = inter = lcl = None
    if 'intra_ccl' in blocks:
        intra = _build(IntraCCLLoss, 'intra_ccl', blocks['intra_ccl'], device)
        for encoder in intra.encoders:
            encoder.check()
    if 'inter_ccl' in blocks:
        inter = _build_inter(opt, blocks['inter_ccl'], net_d, device)
    if 'lcl' in blocks:
        lcl = _build_lcl(opt, blocks['lcl'], net_g, device)
    values = ValueRange.of((opt.get('datasets') or {}).get('train') or {})
    return ContrastiveTerms(int(opt.get('manual_seed') or 0), intra, inter, lcl, values)


def _build(kind: type[Loss], name: str, block: Mapping[str, Any], device: torch.device) -> Loss:
    given = block.get('type')
    if not isinstance(given, str):
        raise OptionError(f'{WHERE}.{name}.type: this key is missing; it is {kind.__name__}')
    try:
        loss = build_loss(dict(block))
    except (KeyError, TypeError) as error:
        raise OptionError(f'{WHERE}.{name}: {error}') from error
    if not isinstance(loss, kind):
        raise OptionError(f'{WHERE}.{name}.type: expected {kind.__name__} or a class derived from it')
    return cast(Any, loss.to(device))


def _build_inter(
    opt: Mapping[str, Any], block: Mapping[str, Any], net_d: nn.Module | None, device: torch.device
) -> InterTerm:
    here = f'{WHERE}.inter_ccl'
    loss = _build(InterCCLLoss, 'inter_ccl', block, device)
    if net_d is None:
        raise OptionError(
            f"{here}: this loss compares a discriminator's features, and base_model_type "
            f'{opt.get("base_model_type")} has no net_d; take a model with one, such as SRGANModel, or leave '
            'this loss out'
        )
    run = run_alone(net_d, training_images(opt, 'gt', device, dtype=dtype_of(net_d)), here, 'net_d')
    require_levels(
        level_channels(net_d, run), loss.layers, f'{here}.layers', f'net_d ({type(net_d).__name__})'
    )
    return InterTerm(loss, _levels(net_d, loss.layers, f'{here}.layers'))


def _build_lcl(
    opt: Mapping[str, Any], block: Mapping[str, Any], net_g: nn.Module, device: torch.device
) -> LCLTerm:
    here = f'{WHERE}.lcl'
    block = {key: value for key, value in block.items() if not (key == 'layers' and value is None)}
    encoder = block.pop('encoder', OWN_ENCODER)
    if isinstance(encoder, Mapping):
        frozen = build_encoder(encoder)
        _check_frozen(frozen, block, here)
        frozen.check()
        return LCLTerm(_build(LCLLoss, 'lcl', {**block, 'layers': frozen.layers}, device), frozen)
    if encoder != OWN_ENCODER:
        raise OptionError(
            f'{here}.encoder: expected {OWN_ENCODER} or the options of a frozen encoder, got {encoder!r}'
        )
    loss = _build(LCLLoss, 'lcl', block, device)
    run = run_generator(net_g, opt, device, f'{here}.encoder')
    if run.output is None or run.output[-2:] != run.input[-2:]:
        given = f'{run.input[-1]} x {run.input[-2]} pixels'
        made = f'{run.output[-1]} x {run.output[-2]}' if run.output else 'no single image'
        raise OptionError(
            f'{here}.encoder: net_g makes {made} of {given}, so its output is no input of its own; an '
            'encoder of both must keep the size (scale: 1). Take a frozen encoder, such as '
            '{type: VGG19Encoder, layers: [relu2_2, relu3_3]}'
        )
    name = f'net_g ({type(net_g).__name__})'
    require_levels(level_channels(net_g, run, run.input[1]), loss.layers, f'{here}.layers', name)
    if loss.negatives == 'image':
        require_places(run, loss.layers, f'{here}.layers', name)
    return LCLTerm(loss, _levels(net_g, loss.layers, f'{here}.layers'))


def _check_frozen(encoder: SemanticEncoder, block: Mapping[str, Any], here: str) -> None:
    if block.get('layers', encoder.layers) != encoder.layers and set(block['layers']) != set(encoder.layers):
        raise OptionError(
            f'{here}.layers: {list(block["layers"])} are not the layers of the encoder '
            f'({", ".join(encoder.layers)}); name them there alone'
        )
    if encoder.weight != 1 or any(weight != 1 for weight in encoder.layer_weights):
        raise OptionError(
            f'{here}.encoder: LCL takes the mean over the layers and reads no weight and no layer_weights'
        )


def _levels(net: nn.Module, levels: tuple[str, ...], where: str) -> ModuleLevels:
    try:
        return ModuleLevels(net, levels)
    except OptionError as error:
        raise OptionError(f'{where}: {error}') from error
