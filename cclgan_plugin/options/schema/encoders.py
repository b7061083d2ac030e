"""The frozen semantic encoders of intra-CCL."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cclgan_plugin.options.schema.common import BlockOf, Options, Text, Weight, option

_WEIGHT = 'factor of this encoder among several'


class CLIPEncoderOptions(Options):
    """The image tower of CLIP, through open_clip."""

    type: Literal['CLIPEncoder'] = option('CLIP image embedding')
    model: Text = option("open_clip's name of the network", 'ViT-B-32-quickgelu')
    weights: Text = option(
        'a name that open_clip downloads once, a local file, or "random" (tests and demo only)', 'openai'
    )
    weight: Weight = option(_WEIGHT, 1.0)


class VGG19EncoderOptions(Options):
    """Layers of VGG19."""

    type: Literal['VGG19Encoder'] = option('VGG19 features')
    weights: Text = option(
        '"torchvision" (downloaded once), a local .pth or 8-bit .npz file, or "random" (tests and demo only)',
        'torchvision',
    )
    layers: Annotated[list[Text], Field(min_length=1)] = option(
        'names of layers', ['relu1_2', 'relu2_2', 'relu3_3']
    )
    layer_weights: list[Weight] | None = option('one factor for each layer; ~ = 1 each', None)
    weight: Weight = option(_WEIGHT, 1.0)


class RegisteredEncoderOptions(Options):
    """Any network that BasicSR's registry knows."""

    type: Literal['RegisteredEncoder'] = option('a registered network')
    network: Annotated[dict[str, Any], BlockOf('arch')] = option('the network, as in network_g')
    weights: Text = option('a checkpoint file, or "random" (tests and demo only)')
    param_key: Text = option(
        'the entry of the checkpoint that holds the weights, unless it holds nothing else', 'params'
    )
    layers: Annotated[list[Text], Field(min_length=1)] = option('names of modules whose outputs are compared')
    layer_weights: list[Weight] | None = option('one factor for each layer; ~ = 1 each', None)
    weight: Weight = option(_WEIGHT, 1.0)
