"""Rainy and rain-free photographs that have nothing to do with each other, for training."""

from __future__ import annotations

import functools
import logging
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from cclgan_plugin.data.batch_memory import Sample
from cclgan_plugin.data.crop import (
    Place,
    at_least,
    cut,
    random_place,
    resize_to_square,
    to_byte_tensor,
    to_tensor,
)
from cclgan_plugin.data.epoch_sampler import EpochSampler, SampleKey
from cclgan_plugin.data.find_source import find_source
from cclgan_plugin.data.image_side import ImageSide
from cclgan_plugin.data.rain import Window
from cclgan_plugin.data.randomness import generator
from cclgan_plugin.data.shuffling import shuffled_index
from cclgan_plugin.data.synthetic_rain import SyntheticRain
from cclgan_plugin.data.unpaired_settings import UnpairedSettings

Randomness = Callable[[str], np.random.Generator]


@DATASET_REGISTRY.register()
class UnpairedImageDataset(Dataset[Sample]):
    """Random crops of two image sets without correspondence (section 1 of the method).

    A sample is named by a :class:`SampleKey`, and which images it pairs, where it crops and whether it
    flips follow from ``manual_seed``, the epoch and the position alone: the same for any number of
    workers, however they are started, and across ranks. Every epoch pairs anew and uses every image of
    the larger side once. Train with :meth:`make_sampler`; without it, by plain indices, the longer
    side is taken in order and all else comes from torch's generator.

    Args:
        opt: the keys of :class:`UnpairedSettings`; others are for the loader and are not looked at.

    Raises:
        OptionError: an option is missing or wrong.
        DataError: a side is missing or empty, or a listed image is not there.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        self.settings = settings = UnpairedSettings.from_options(opt)
        lq = find_source('lq', settings.dataroot_lq, settings.meta_info_file_lq, settings.io_backend)
        gt = find_source('gt', settings.dataroot_gt, settings.meta_info_file_gt, settings.io_backend)
        self.lq, self.gt = (
            ImageSide(key, source, settings.corrupt_images, settings.cache, settings.resize)
            for key, source in (('dataroot_lq', lq), ('dataroot_gt', gt))
        )
        self._rained, self._clean = np.arange(0), np.arange(len(self.gt))
        if settings.synthetic_rain is not None:
            self._rained, self._clean = settings.synthetic_rain.choose(len(self.gt), settings.manual_seed)
        self._warn_of_overlap()

    def __len__(self) -> int:
        return max(self._rainy_count, len(self._clean))

    @property
    def _rainy_count(self) -> int:
        """Real rainy images, and behind them the clean ones that are rained on."""
        return len(self.lq) + len(self._rained)

    def names_by_root(self) -> dict[str, Sequence[str]]:
        """The images of both sides by the option of their root, below which the names are."""
        return {side.key: side.source.names for side in (self.lq, self.gt)}

    def make_sampler(self, num_replicas: int = 1, rank: int = 0, ratio: float = 1) -> EpochSampler:
        """The sampler that makes runs repeatable.

        Args:
            num_replicas: number of processes that train together.
            rank: this process.
            ratio: ``dataset_enlarge_ratio``, epochs of ``len(self) * ratio`` samples.
        """
        return EpochSampler(len(self), num_replicas, rank, ratio)

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """One sample.

        Args:
            key: a :class:`SampleKey`, or an index in [-len, len).

        Returns:
            ``lq`` and ``gt``: float32 ``(3, gt_size, gt_size)``, RGB in [0, 1], or with ``uint8`` that
            type in 0..255; ``lq_path`` and ``gt_path``: the files or keys they came from.

        Raises:
            ImageError: an image cannot be read, or is smaller than the crop where that is an error.
            IndexError: a plain index is out of range.
        """
        if isinstance(key, SampleKey):
            randomness: Randomness = functools.partial(self._planned_randomness, key)
            seed = self.settings.manual_seed
            rainy = shuffled_index(self._rainy_count, seed, 'lq', *key)
            clean = shuffled_index(len(self._clean), seed, 'gt', *key)
        else:
            randomness = _fresh_randomness()
            rainy, clean = self._plain_pair(operator.index(key), randomness('pairing'))
        lq, lq_path = self._rainy(rainy, randomness)
        gt, gt_path = self._crop(self.gt, int(self._clean[clean]), self.gt.key, randomness, self._clean)
        return Sample(lq=lq, gt=gt, lq_path=lq_path, gt_path=gt_path)

    def _rainy(self, index: int, randomness: Randomness) -> tuple[torch.Tensor, str]:
        """A real rainy image, or a clean one with rain on it."""
        if index < len(self.lq):
            return self._crop(self.lq, index, self.lq.key, randomness)
        return self._crop(
            self.gt,
            int(self._rained[index - len(self.lq)]),
            self.lq.key,
            randomness,
            self._rained,
            self.settings.synthetic_rain,
        )

    def _crop(
        self,
        side: ImageSide,
        index: int,
        purpose: str,
        randomness: Randomness,
        among: np.ndarray | None = None,
        rain: SyntheticRain | None = None,
    ) -> tuple[torch.Tensor, str]:
        settings, size = self.settings, self.settings.gt_size

        @functools.cache
        def place_in(height: int, width: int) -> Place:
            return random_place(height, width, size, settings.use_hflip, randomness(f'crop {purpose}'))

        def rows(height: int, width: int) -> int:
            return place_in(height, width).top + size if min(height, width) >= size else height

        spare = functools.partial(randomness, f'replacement {purpose}')
        image, height, name = side.load(index, spare, rows if settings.resize is None else None, among)
        if settings.resize is not None:
            image = resize_to_square(image, settings.resize)
            height = settings.resize
        image = at_least(image, size, settings.small_images, name)
        window = Window(0, max(height, size), image.shape[1])
        place = place_in(window.height, window.width)
        crop = cut(image, place, size)
        if rain is not None:
            crop = rain.render(crop, window._replace(top=place.top), randomness('synthetic rain'))
        return (to_byte_tensor if settings.uint8 else to_tensor)(crop), name

    def _planned_randomness(self, key: SampleKey, purpose: str) -> np.random.Generator:
        return generator(self.settings.manual_seed, purpose, *key)

    def _plain_pair(self, index: int, rng: np.random.Generator) -> tuple[int, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f'index {index} of a dataset of {len(self)} samples')
        rainy, clean = self._rainy_count, len(self._clean)
        index %= len(self)
        partner = int(rng.integers(min(rainy, clean)))
        return (index, partner) if rainy >= clean else (partner, index)

    def _warn_of_overlap(self) -> None:
        both = self.lq.source.places() & self.gt.source.places()
        if both:
            logging.getLogger('basicsr').warning(
                '%d images are on both sides, as rainy and as rain-free, e.g. %s', len(both), min(both)
            )


def _fresh_randomness() -> Randomness:
    """Randomness from torch's generator, which the loader seeds differently for each worker and epoch."""
    seed = int(torch.randint(2**63 - 1, ()))
    return functools.partial(generator, seed)
