"""Rules of the models whose code is known: what they need, and whether a test of theirs shows something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cclgan_plugin.options import registered
from cclgan_plugin.options.known_models import has_discriminator, needs_pixels, trained_like, whose
from cclgan_plugin.options.problems import Problem
from cclgan_plugin.options.rules import Rule
from cclgan_plugin.options.rules_unread import our_keys_are_read

#: Where BasicSR's models have their losses.
_LOSS_KEYS = ('pixel_opt', 'perceptual_opt', 'ldl_opt', 'gan_opt', 'feature_matching_opt')


def model_has_its_parts(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """Networks, optimizers and losses that BasicSR's models read without asking whether they are there."""
    kind, model = trained_like(options), options['model_type']
    if kind is None:
        return
    gan = is_train and has_discriminator(kind)
    for key in ('network_g', *(['network_d'] if gan else [])):
        if not options.get(key):
            yield Problem((key,), f'this key is missing; {model} needs it')
    train = options.get('train')
    if not is_train or train is None:
        return
    for key in ('optim_g', 'scheduler', *(['optim_d', 'gan_opt'] if gan else [])):
        if not train.get(key):
            yield Problem(('train', key), f'this key is missing; {model} trains with it')
    if needs_pixels(kind) and not train.get('pixel_opt') and not train.get('perceptual_opt'):
        yield Problem(('train', 'pixel_opt'), f'{model} needs this loss, or perceptual_opt; both are missing')


def our_losses_have_their_place(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """BasicSR's models hand their losses an output and a ground truth; ours compare other things."""
    if trained_like(options) is None or not is_train:
        return
    for key, block in (options.get('train') or {}).items():
        loss = block.get('type') if isinstance(block, dict) and key in _LOSS_KEYS else None
        if isinstance(loss, str) and _is_ours(loss):
            yield Problem(
                ('train', key, 'type'),
                f'{whose(options)} cannot call {loss}; this loss goes to train.contrastive_opt of '
                f'model_type: ContrastiveModel, with base_model_type: {whose(options)}',
            )


def _is_ours(loss: str) -> bool:
    from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss, LCLLoss

    found = registered.find('loss', loss)
    return isinstance(found, type) and issubclass(found, (InterCCLLoss, IntraCCLLoss, LCLLoss))


def pairs_have_a_scale(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """BasicSR's paired dataset reads the scale, its own or that at the top."""
    if options.get('scale') is not None:
        return
    for phase, dataset in options['datasets'].items():
        if dataset['type'] == 'PairedImageDataset' and dataset.get('scale') is None:
            text = f'this key is missing; datasets.{phase} needs it: 1 where both sides have one size'
            yield Problem(('scale',), text)
            return


def test_shows_something(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """A test saves images, or measures something that can be measured on one of its sets."""
    known = options['model_type'] == 'CCLGANModel' or trained_like(options) not in (None, 'StyleGAN2Model')
    val = options.get('val') or {}
    if is_train or not known or val.get('save_img'):
        return
    metrics = val.get('metrics') or {}
    if not metrics:
        yield Problem(('val',), 'this test would show nothing; write val.save_img: true, or val.metrics')
        return
    from cclgan_plugin.mends.metrics_without_truth import measuring_sets

    if not any(any(measuring_sets(options['datasets'], metric['type'])) for metric in metrics.values()):
        yield Problem(
            ('val', 'metrics'),
            'this test would show nothing: its sets have no ground truth, and these metrics need it; write '
            'val.save_img: true, or add calculate_niqe',
        )


MODEL_RULES: tuple[Rule, ...] = (
    our_keys_are_read,
    model_has_its_parts,
    our_losses_have_their_place,
    pairs_have_a_scale,
    test_shows_something,
)
