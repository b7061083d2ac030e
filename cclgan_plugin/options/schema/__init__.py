"""The typed schema: every option's type, limits, default and one-line meaning, in one place.

The check of a file, its messages, the tables of docs/options.md and the editors' JSON schema come from here.
"""

from __future__ import annotations

from cclgan_plugin.options.schema import datasets, encoders, losses, metrics, networks, optimisation
from cclgan_plugin.options.schema.common import BlockOf, Kind, Options
from cclgan_plugin.options.schema.contrastive import CONTRASTIVE_MAPS, ContrastiveOptions
from cclgan_plugin.options.schema.contrastive_paired import (
    ContrastivePairedOptions,
    ContrastivePairedTrainOptions,
)
from cclgan_plugin.options.schema.groups import DistOptions
from cclgan_plugin.options.schema.paired import PairedOptions, PairedTrainOptions
from cclgan_plugin.options.schema.root import CCLGANOptions, OtherOptions

#: The schema of every ``type:`` that has one, by kind and name. Others are checked against their signature.
BLOCKS: dict[tuple[Kind, str], type[Options]] = {
    ('arch', 'CCLGANGenerator'): networks.CCLGANGeneratorOptions,
    ('arch', 'CCLGANDiscriminator'): networks.CCLGANDiscriminatorOptions,
    ('arch', 'LCLHead'): networks.LCLHeadOptions,
    ('loss', 'L1Loss'): losses.L1LossOptions,
    ('loss', 'MSELoss'): losses.MSELossOptions,
    ('loss', 'CharbonnierLoss'): losses.CharbonnierLossOptions,
    ('loss', 'GANLoss'): losses.GANLossOptions,
    ('loss', 'LCLLoss'): losses.LCLLossOptions,
    ('loss', 'IntraCCLLoss'): losses.IntraCCLLossOptions,
    ('loss', 'InterCCLLoss'): losses.InterCCLLossOptions,
    ('encoder', 'CLIPEncoder'): encoders.CLIPEncoderOptions,
    ('encoder', 'VGG19Encoder'): encoders.VGG19EncoderOptions,
    ('encoder', 'RegisteredEncoder'): encoders.RegisteredEncoderOptions,
    ('dataset', 'UnpairedImageDataset'): datasets.UnpairedImageDatasetOptions,
    ('dataset', 'PairedImageDataset'): datasets.PairedImageDatasetOptions,
    ('dataset', 'SingleImageDataset'): datasets.SingleImageDatasetOptions,
    ('optimizer', 'Adam'): optimisation.AdamOptions,
    ('scheduler', 'LinearDecayLR'): optimisation.LinearDecayLROptions,
    ('scheduler', 'MultiStepLR'): optimisation.MultiStepLROptions,
    ('scheduler', 'MultiStepRestartLR'): optimisation.MultiStepLROptions,
    ('scheduler', 'CosineAnnealingRestartLR'): optimisation.CosineAnnealingRestartLROptions,
    ('metric', 'calculate_psnr'): metrics.PSNROptions,
    ('metric', 'calculate_ssim'): metrics.SSIMOptions,
    ('metric', 'calculate_niqe'): metrics.NIQEOptions,
}

#: The schemas of our models' files.
OUR_MODELS: dict[str, type[Options]] = {
    'CCLGANModel': CCLGANOptions,
    'ContrastiveModel': ContrastiveOptions,
    'PairedModel': PairedOptions,
}

#: Maps whose keys are all known, though the model around them may read any. (``dist_params`` is passed to a
#: function as keyword arguments.)
CLOSED: tuple[type[Options], ...] = (
    *CONTRASTIVE_MAPS,
    PairedTrainOptions,
    ContrastivePairedTrainOptions,
    DistOptions,
)

__all__ = [
    'BLOCKS',
    'CLOSED',
    'OUR_MODELS',
    'BlockOf',
    'CCLGANOptions',
    'ContrastiveOptions',
    'ContrastivePairedOptions',
    'Kind',
    'Options',
    'OtherOptions',
    'PairedOptions',
]
