"""The networks that CCLGAN registers. Their classes' docstrings explain them."""

from __future__ import annotations

from typing import Literal

from cclgan_plugin.options.schema.common import Options, Whole, option


class CCLGANGeneratorOptions(Options):
    """``network_g`` (rain-free from rainy) and ``network_g_rain`` (rainy from rain-free)."""

    type: Literal['CCLGANGenerator'] = option('the ResNet generator')
    width: Whole = option(
        'channels after the first convolution; memory and time grow with its square', 64, ge=1, le=4096
    )
    num_blocks: Whole = option('residual blocks in the middle', 9, ge=1, le=1000)
    norm: Literal['instance', 'none'] = option('normalisation after the convolutions', 'instance')
    anti_alias: bool = option('blur before down-sampling and after up-sampling, as CUT does', True)
    residual: bool = option('predict a change of the input instead of the whole image', False)
    residual_channels: Literal[1, 3] = option(
        'of that change: with `1` all colours change alike, as under rain, and cannot drift', 3
    )
    skips: bool = option(
        "add the encoder's maps to the decoder's, as in a U-Net: thin detail is learnt sooner", False
    )


class CCLGANDiscriminatorOptions(Options):
    """``network_d`` (judges rain-free photographs) and ``network_d_rain`` (judges rainy ones)."""

    type: Literal['CCLGANDiscriminator'] = option('the 70x70 PatchGAN')
    width: Whole = option('channels after the first convolution', 64, ge=1, le=4096)
    anti_alias: bool = option('blur before down-sampling, as CUT does', True)


class LCLHeadOptions(Options):
    """``network_h`` (for features of rain-free images) and ``network_h_rain`` (of rainy ones)."""

    type: Literal['LCLHead'] = option('the heads of the location contrastive loss')
    dim: Whole = option('length of an embedding', 256, ge=1, le=65536)
