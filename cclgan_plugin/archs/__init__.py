"""The trained networks, registered with BasicSR."""

from cclgan_plugin.archs.cclgan_discriminator_arch import CCLGANDiscriminator
from cclgan_plugin.archs.cclgan_generator_arch import CCLGANGenerator
from cclgan_plugin.archs.lcl_head_arch import LCLHead

__all__ = ['CCLGANDiscriminator', 'CCLGANGenerator', 'LCLHead']
