"""Data for training: reading and decoding, pairing and seeds, and rain rendered on clean photographs.

Importing this package registers ``UnpairedImageDataset`` with BasicSR.
"""

from __future__ import annotations

from cclgan_plugin.data.epoch_sampler import EpochSampler, SampleKey
from cclgan_plugin.data.unpaired_image_dataset import UnpairedImageDataset

__all__ = ['EpochSampler', 'SampleKey', 'UnpairedImageDataset']
