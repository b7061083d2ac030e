"""``base_model_type: PairedModel``: CCLGAN's losses in the one base whose ``train`` is known key by key."""

from __future__ import annotations

from cclgan_plugin.options.schema.common import option
from cclgan_plugin.options.schema.contrastive import AddedLossesOptions, ContrastiveOptions
from cclgan_plugin.options.schema.paired import PairedTrainOptions


class ContrastivePairedTrainOptions(AddedLossesOptions, PairedTrainOptions):
    """``train`` of PairedModel with CCLGAN's losses."""


class ContrastivePairedOptions(ContrastiveOptions):
    """The top of the file of PairedModel with CCLGAN's losses."""

    # Not a kind of ContrastiveTrainOptions, for the reason that PairedOptions gives.
    train: ContrastivePairedTrainOptions | None = option('training; not needed for a test', None)  # type: ignore[assignment]

    @classmethod
    def train_fields(cls) -> frozenset[str]:
        """The keys of ``train`` that are known here."""
        return frozenset(ContrastivePairedTrainOptions.model_fields)
