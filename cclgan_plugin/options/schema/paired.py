"""``model_type: PairedModel``: BasicSR's SRModel with modes of the step."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cclgan_plugin.options.schema.common import BlockOf, Options, Whole, option
from cclgan_plugin.options.schema.root import OtherOptions


class PairedTrainOptions(Options):
    """`train` of `model_type: PairedModel`: SRModel's keys and the modes of its step."""

    total_iter: Whole = option('training steps', ge=1)
    warmup_iter: Whole = option('steps with a rising learning rate; -1 = none', -1, ge=-1)
    ema_decay: float = option('running average of network_g; 0 = off', 0.0, ge=0, lt=1)
    amp: Literal['off', 'bf16'] = option('precision of the network: float32 or bfloat16', 'off')
    channels_last: bool = option('the memory format of images and weights', False)
    optim_g: Annotated[dict[str, Any], BlockOf('optimizer')] = option('optimizer of the network')
    scheduler: Annotated[dict[str, Any], BlockOf('scheduler')] = option('learning rate over time')
    pixel_opt: Annotated[dict[str, Any] | None, BlockOf('loss')] = option('pixel loss; ~ = off', None)
    perceptual_opt: Annotated[dict[str, Any] | None, BlockOf('loss')] = option(
        'perceptual loss; ~ = off', None
    )


class PairedOptions(OtherOptions):
    """The top of the file of PairedModel."""

    # Not a kind of OtherTrainOptions: those allow what trains a discriminator, and this model has none.
    # network_d itself, and the keys of its weights, are refused by rules_unread.
    train: PairedTrainOptions | None = option('training; not needed for a test', None)  # type: ignore[assignment]

    @classmethod
    def train_fields(cls) -> frozenset[str]:
        """The keys of ``train`` that are known here."""
        return frozenset(PairedTrainOptions.model_fields)
