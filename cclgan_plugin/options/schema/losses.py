"""The losses that CCLGAN's options files use: CCLGAN's own, and BasicSR's pixel and GAN losses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cclgan_plugin.options.schema.common import BlockOf, Options, Text, Weight, Whole, option

Layers = Annotated[list[Text], Field(min_length=1)]
LCLTerm = Literal['translation', 'reconstruction', 'identity']


class _PixelLossOptions(Options):
    loss_weight: float = option('factor of this loss', 1.0)
    reduction: Literal['mean', 'sum', 'none'] = option('how the pixels are put together', 'mean')


class L1LossOptions(_PixelLossOptions):
    """``idt_opt`` (the identity loss), ``cycle_opt`` (cycle consistency), BasicSR's ``pixel_opt``."""

    type: Literal['L1Loss'] = option('mean absolute difference')


class MSELossOptions(_PixelLossOptions):
    """The same places as ``L1Loss``."""

    type: Literal['MSELoss'] = option('mean squared difference')


class CharbonnierLossOptions(_PixelLossOptions):
    """The same places as ``L1Loss``."""

    type: Literal['CharbonnierLoss'] = option('a smooth L1')
    eps: float = option('smoothness at zero', 1e-12, gt=0)


class GANLossOptions(Options):
    """``gan_opt``, the adversarial loss."""

    type: Literal['GANLoss'] = option("BasicSR's GAN loss")
    gan_type: Literal['vanilla', 'lsgan', 'wgan', 'wgan_softplus', 'hinge'] = option(
        'the form of the GAN loss'
    )
    real_label_val: float = option('target of real images (vanilla and lsgan)', 1.0)
    fake_label_val: float = option('target of generated images (vanilla and lsgan)', 0.0)
    loss_weight: Weight = option("factor of the generators' part", 1.0)


class LCLBaseOptions(Options):
    """What LCL reads in every model."""

    type: Literal['LCLLoss'] = option('location contrastive loss')
    loss_weight: Weight = option('factor of this loss; 0 = off', 1.0)
    temperature: float = option('of the soft-max; lower is stricter', 0.07, gt=0)
    num_patches: Whole = option('locations drawn per image and level', 256, ge=2)
    negatives: Literal['image', 'batch', 'global'] = option(
        'where wrong locations come from: the same image, the batch, or the batches of all GPUs', 'image'
    )


class LCLLossOptions(LCLBaseOptions):
    """``lcl_opt``, the location contrastive loss: the content stays where it was."""

    loss_weight: Weight = option('factor of this loss; 2.0 in the paper; 0 = off', 1.0)
    layers: Layers = option(
        "the generators' feature levels that are compared; CCLGANGenerator has down1, down2 and block1",
        ['down1', 'down2', 'block1'],
    )
    terms: Annotated[list[LCLTerm], Field(min_length=1)] = option(
        'what is tied together: an image and its translation; a translation and its way back; an image and '
        'its translation into its own domain (CUT)',
        ['translation', 'reconstruction'],
    )
    cycle_encoders: Literal['domain', 'release'] = option(
        "who encodes the reconstructions: the generator of the image's domain, or as in the authors' release",
        'domain',
    )


class IntraCCLBaseOptions(Options):
    """What intra-CCL reads in every model."""

    type: Literal['IntraCCLLoss'] = option('intra-cycle contrastive loss')
    encoder: Annotated[
        Any, BlockOf('encoder', 'one_or_list', ('CLIPEncoder', 'VGG19Encoder', 'RegisteredEncoder'))
    ] = option('the frozen network that gives the semantic space, or a list of such')
    loss_weight: Weight = option('factor of this loss; 0 = off', 1.0)
    eps: float = option('keeps the ratio finite', 1e-7, gt=0)


class IntraCCLLossOptions(IntraCCLBaseOptions):
    """``intra_ccl_opt``, cycle contrastive learning inside each cycle, in a semantic space."""

    loss_weight: Weight = option('factor of this loss; 1.0 in the paper; 0 = off', 1.0)
    anchors: Annotated[list[Literal['reconstruction', 'translation']], Field(min_length=1)] = option(
        "which images are pulled: the reconstructions (authors' release), the translations, or both, added",
        ['reconstruction'],
    )
    translation_weight: Weight = option(
        'weight of the translation among the negatives of the reconstruction', 0.1
    )


class InterCCLBaseOptions(Options):
    """What inter-CCL reads in every model."""

    type: Literal['InterCCLLoss'] = option('inter-cycle contrastive loss')
    loss_weight: Weight = option('factor of this loss; 0 = off', 1.0)
    layers: Layers = option(
        'feature levels of net_d: names that `basicsr layers` shows', ['image', 'conv2', 'conv3']
    )
    num_patches: Whole = option('locations drawn per image and level', 64, ge=1)
    projection: Literal['none', 'fixed'] = option(
        'compare the features themselves, or after a fixed random projection', 'none'
    )
    pooling: Literal['sample', 'mean'] = option('one vector per location, or one average per image', 'sample')
    eps: float = option('keeps the ratio finite', 1e-7, gt=0)


class InterCCLLossOptions(InterCCLBaseOptions):
    """``inter_ccl_opt``, cycle contrastive learning across the cycles, in the discriminators' space."""

    loss_weight: Weight = option('factor of this loss; 0.005 in the paper; 0 = off', 1.0)
    layers: Layers = option(
        "the discriminators' feature levels that are compared; CCLGANDiscriminator has image, conv2 and "
        'conv3',
        ['image', 'conv2', 'conv3'],
    )
    pair_weight: Weight = option('weight of the distance between translation and reconstruction', 0.2)
