"""``ContrastiveModel`` over ``PairedModel``: what the base would leave unread or miss is found here too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.errors import OptionError

ON_PAIRED = (
    'model_type=ContrastiveModel',
    'base_model_type=PairedModel',
    'train:contrastive_opt={intra_ccl: {type: IntraCCLLoss, encoder: {type: VGG19Encoder}}}',
)


def test_the_modes_of_the_base_pass_and_stay(sr: Path, check: Any) -> None:
    """And so do the losses and their heads."""
    lcl = '{type: LCLLoss, encoder: {type: VGG19Encoder}}'
    heads = ('network_h={type: LCLHead}', 'train:optim_h={type: Adam}', 'path:pretrain_network_h=x.pth')
    modes = ('train:amp=bf16', 'train:channels_last=true')
    train = check(sr, *ON_PAIRED, f'train:contrastive_opt:lcl={lcl}', *heads, *modes)['train']
    assert (train['amp'], train['channels_last']) == ('bf16', True)
    # In YAML 1.1 a bare "off" is false.
    assert check(sr, *ON_PAIRED, 'train:amp=off')['train']['amp'] == 'off'


@pytest.mark.parametrize(
    ('forced', 'message'),
    [
        ('train:chanels_last=true', 'train.chanels_last: unknown key "chanels_last". Did you mean "channels'),
        ('train:ampp=bf16', 'train.ampp: unknown key "ampp". Did you mean "amp"?'),
        ('train:contrastive_op={}', 'unknown key "contrastive_op". Did you mean "contrastive_opt"?'),
        ('train:amp=fp16', 'train.amp: expected one of off, bf16, got "fp16"'),
        ('train:channels_last=yse', 'train.channels_last: expected true or false, got "yse"'),
        ('train:compile=true', 'train.compile: unknown key "compile".'),
        ('train:grad_accum=2', 'train.grad_accum: unknown key "grad_accum".'),
        ('train:gan_opt={type: GANLoss, gan_type: hinge}', 'train.gan_opt: unknown key'),
        ('train:optim_g=null', 'train.optim_g: expected a map'),
        ('train:pixel_opt=null', 'train.pixel_opt: ContrastiveModel needs this loss, or perceptual_opt'),
        ('network_g=null', 'network_g: this key is missing'),
        ('logger:keep_last=2', 'logger.keep_last: ContrastiveModel does not read this key; CCLGANModel can.'),
        ('deterministic=true', 'deterministic: ContrastiveModel does not read this key'),
        ('scale=null', 'scale: this key is missing; datasets.train needs it'),
        (
            'network_d={type: VGGStyleDiscriminator, num_in_ch: 3, num_feat: 8}',
            'network_d: PairedModel does not read this key; CCLGANModel can. Leave it out',
        ),
        (
            'path:pretrain_network_d=x.pth',
            'path.pretrain_network_d: PairedModel does not read this key; CCLGANModel can. Leave it out',
        ),
    ],
)
def test_it_refuses_what_its_base_refuses(sr: Path, check: Any, forced: str, message: str) -> None:
    """Unread keys train something else without a word; missing ones were tracebacks of BasicSR's."""
    check(sr, *ON_PAIRED)
    with pytest.raises(OptionError) as raised:
        check(sr, *ON_PAIRED, forced)
    assert message in str(raised.value)


def test_the_discriminator_of_another_base_stays(sr: Path, check: Any) -> None:
    """Files of a GAN are run without it, too: BasicSR looks past its network."""
    discriminator = 'network_d={type: VGGStyleDiscriminator, num_in_ch: 3, num_feat: 8}'
    check(sr, *ON_PAIRED, 'base_model_type=SRModel', discriminator, 'path:pretrain_network_d=x.pth')
