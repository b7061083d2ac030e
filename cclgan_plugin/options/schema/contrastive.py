"""``model_type: ContrastiveModel``: CCLGAN's losses in another model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from cclgan_plugin.options.schema.common import BlockOf, Options, Text, Weight, Whole, option
from cclgan_plugin.options.schema.losses import Layers
from cclgan_plugin.options.schema.root import OtherOptions, OtherTrainOptions


def _own_or_frozen(value: Any) -> Any:
    if value == 'net_g' or isinstance(value, dict):
        return value
    raise PydanticCustomError(
        'expected', 'expected net_g or a map with "type:", got {got}', {'got': repr(value)}
    )


class ContrastiveIntraOptions(Options):
    """`intra_ccl`: the output near the ground truth and away from the input, in a semantic space."""

    type: Literal['IntraCCLLoss'] = option('intra-cycle contrastive loss')
    encoder: Annotated[
        Any, BlockOf('encoder', 'one_or_list', ('CLIPEncoder', 'VGG19Encoder', 'RegisteredEncoder'))
    ] = option('the frozen network that gives the semantic space, or a list of such')
    loss_weight: Weight = option('factor of this loss; 0 = off', 1.0)
    eps: float = option('keeps the ratio finite', 1e-7, gt=0)


class ContrastiveInterOptions(Options):
    """`inter_ccl`: the same in the feature levels of `net_d`, at random locations."""

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


class ContrastiveLCLOptions(Options):
    """`lcl`: the content of the output stays where it was in the input."""

    type: Literal['LCLLoss'] = option('location contrastive loss')
    loss_weight: Weight = option('factor of this loss; 0 = off', 1.0)
    encoder: Annotated[
        Any,
        BeforeValidator(_own_or_frozen),
        BlockOf('encoder', ours=('VGG19Encoder', 'RegisteredEncoder')),
    ] = option(
        'net_g (scale 1 only; with heads that are trained), or the options of a frozen encoder', 'net_g'
    )
    layers: Layers | None = option(
        'feature levels of net_g: names that `basicsr layers` shows (~ = down1, down2, block1, of '
        'CCLGANGenerator); a frozen encoder names its own',
        None,
    )
    temperature: float = option('of the soft-max; lower is stricter', 0.07, gt=0)
    num_patches: Whole = option('locations drawn per image and level', 256, ge=2)
    negatives: Literal['image', 'batch', 'global'] = option(
        'where wrong locations come from: the same image, the batch, or the batches of all GPUs', 'image'
    )


class ContrastiveLossesOptions(Options):
    """`train.contrastive_opt` of `model_type: ContrastiveModel`."""

    intra_ccl: ContrastiveIntraOptions | None = option('intra-cycle contrastive loss; ~ = off', None)
    inter_ccl: ContrastiveInterOptions | None = option('inter-cycle contrastive loss; ~ = off', None)
    lcl: ContrastiveLCLOptions | None = option('location contrastive loss; ~ = off', None)


#: Their keys are all known, though the model around them may read any.
CLOSED: tuple[type[Options], ...] = (
    ContrastiveLossesOptions,
    ContrastiveIntraOptions,
    ContrastiveInterOptions,
    ContrastiveLCLOptions,
)


class ContrastiveTrainOptions(OtherTrainOptions):
    """``train`` of another BasicSR model with CCLGAN's losses."""

    contrastive_opt: ContrastiveLossesOptions | None = option("CCLGAN's losses", None)
    optim_h: Annotated[dict[str, Any] | None, BlockOf('optimizer')] = option(
        "optimizer of LCL's heads; ~ = Adam with a learning rate of 1e-3", None
    )


class ContrastiveOptions(OtherOptions):
    """The top of the file of any other model with CCLGAN's losses."""

    base_model_type: Text = option('the model that runs: any registered one that restores single images')
    network_h: Annotated[dict[str, Any] | None, BlockOf('arch')] = option(
        "LCL's heads: {type: LCLHead, dim: 256} where net_g encodes; a frozen encoder has none unless given",
        None,
    )
    train: ContrastiveTrainOptions | None = option('training; not needed for a test', None)

    @classmethod
    def train_fields(cls) -> frozenset[str]:
        """The keys of ``train`` that are known here."""
        return frozenset(ContrastiveTrainOptions.model_fields)
