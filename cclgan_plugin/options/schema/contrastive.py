"""``model_type: ContrastiveModel``: CCLGAN's losses in another model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from cclgan_plugin.options.schema.common import BlockOf, Options, Text, option
from cclgan_plugin.options.schema.losses import (
    InterCCLBaseOptions,
    IntraCCLBaseOptions,
    Layers,
    LCLBaseOptions,
)
from cclgan_plugin.options.schema.root import OtherOptions, OtherTrainOptions


def _own_or_frozen(value: Any) -> Any:
    if value == 'net_g' or isinstance(value, dict):
        return value
    raise PydanticCustomError(
        'expected', 'expected net_g or a map with "type:", got {got}', {'got': repr(value)}
    )


#: Of both ratios. Near over far has no bound where the output is the input.
EPS = (
    'keeps the ratio finite; a network that starts as the identity (its last layer zero) needs about a tenth '
    "of the distance between output and ground truth: the log's warning says how much"
)


class ContrastiveIntraOptions(IntraCCLBaseOptions):
    """`intra_ccl`: the output near the ground truth and away from the input, in a semantic space."""

    eps: float = option(EPS, 1e-7, gt=0)


class ContrastiveInterOptions(InterCCLBaseOptions):
    """`inter_ccl`: the same in the feature levels of `net_d`, at random locations."""

    eps: float = option(EPS, 1e-7, gt=0)


class ContrastiveLCLOptions(LCLBaseOptions):
    """`lcl`: the content of the output stays where it was in the input."""

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


class ContrastiveLossesOptions(Options):
    """`train.contrastive_opt` of `model_type: ContrastiveModel`."""

    intra_ccl: ContrastiveIntraOptions | None = option('intra-cycle contrastive loss; ~ = off', None)
    inter_ccl: ContrastiveInterOptions | None = option('inter-cycle contrastive loss; ~ = off', None)
    lcl: ContrastiveLCLOptions | None = option('location contrastive loss; ~ = off', None)


#: The maps of the losses, from the outside in.
CONTRASTIVE_MAPS: tuple[type[Options], ...] = (
    ContrastiveLossesOptions,
    ContrastiveIntraOptions,
    ContrastiveInterOptions,
    ContrastiveLCLOptions,
)


class AddedLossesOptions(Options):
    """What stands in ``train`` beside the keys of the base model."""

    contrastive_opt: ContrastiveLossesOptions | None = option(
        "CCLGAN's losses; where the base adds up the gradients of K batches before a step, divide each "
        'loss_weight by K: only its own losses are divided',
        None,
    )
    optim_h: Annotated[dict[str, Any] | None, BlockOf('optimizer')] = option(
        "optimizer of LCL's heads; ~ = Adam with a learning rate of 1e-3", None
    )


class ContrastiveTrainOptions(AddedLossesOptions, OtherTrainOptions):
    """``train`` of another BasicSR model with CCLGAN's losses."""


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
